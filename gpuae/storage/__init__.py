"""Data sets, models, features and scores in HDF5; docs/format.md is the specification."""
