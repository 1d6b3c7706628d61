"""Many settings tried on the same rows, each by an ordinary run in a folder of its own."""
