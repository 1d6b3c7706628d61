"""A page for a person who has trained a model: how good it is, and what it has learnt."""
