"""How parameters are found: rows in batches, tiles on threads, optimizers, the trainer."""
