"""Spectra: redshifts read from them, the lines in them, files that hold them; no TensorFlow."""
