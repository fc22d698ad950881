"""Redshift probability densities on a fixed grid (numpy; files through qp)."""
