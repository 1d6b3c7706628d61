"""HDF5 files that are read, whoever wrote them."""
