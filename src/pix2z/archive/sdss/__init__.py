"""Objects of SDSS by list: their frames and spectra fetched, and made into one raw HDF5 file."""
