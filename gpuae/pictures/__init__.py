"""What there is to see of a model and its rows, as data: drawn by `gpuae.plots` and by pages."""
