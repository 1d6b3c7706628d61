"""What is kept of a run beside its model: a log for programs, and event files for TensorBoard."""
