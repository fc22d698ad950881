"""The one boundary to HDF5 files that others wrote."""
