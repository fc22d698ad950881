"""Which rows belong together: cells of the sky."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL_DEG", "sky_cell"]

CELL_DEG = 1.0
"""Side of a cell in degrees."""


def sky_cell(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cell of the sky of each position; neighbours on the sky share one, and so one part.

    Bands of 1 degree in declination, each cut in right ascension into ceil(360 cos(dec)) cells, dec
    being the band's middle: every cell is close to 1 square degree.

    Parameters
    ----------
    ra, dec : (N,) degrees.

    Returns
    -------
    cell : (N,) integers from 0; -1 where a position is not finite or |dec| > 90.
    """
    usable = np.isfinite(ra) & np.isfinite(dec) & (np.abs(np.nan_to_num(dec)) <= 90.0)
    ra_deg = np.where(usable, ra, 0.0) % 360.0
    n_bands = round(180.0 / CELL_DEG)
    band = np.minimum((np.where(usable, dec, 0.0) + 90.0) // CELL_DEG, n_bands - 1)
    middle = np.deg2rad((band + 0.5) * CELL_DEG - 90.0)
    n_cells = np.ceil(360.0 / CELL_DEG * np.cos(middle))
    within = np.minimum(np.floor(ra_deg / 360.0 * n_cells), n_cells - 1)
    cell = band * round(360.0 / CELL_DEG) + within
    return np.where(usable, cell, -1).astype(np.int64)
