"""New files that are filled by blocks of rows: HDF5, csv, parquet."""
