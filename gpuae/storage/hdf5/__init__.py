"""HDF5 files that are read: a process with limits asks HDF5, and the program reads what it says."""
