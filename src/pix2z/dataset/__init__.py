"""From raw files to validated galaxies, splits, batches and photometry."""
