"""Any file that people have, checked and converted into galaxies.h5."""
