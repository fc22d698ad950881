"""Galactic extinction in the SDSS bands."""

__all__ = ["EXTINCTION_PER_EBV"]

EXTINCTION_PER_EBV = (5.155, 3.793, 2.751, 2.086, 1.479)
"""A_b / E(B-V) in ugriz: Schlegel, Finkbeiner & Davis 1998, table 6 (SDSS imaging to DR12)."""
