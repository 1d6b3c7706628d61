"""What each kind of file holds: data sets, models, checkpoints, features and the others."""
