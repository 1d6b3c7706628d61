"""What is computed: the network, its objective, its input; written on `Ops`, for any backend."""
