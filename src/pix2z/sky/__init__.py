"""Where galaxies come from: everything here ends in a raw HDF5 file."""
