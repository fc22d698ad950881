"""What a network says when it is told that a galaxy lies inside the clip window.

Whether a galaxy lies inside is known from its spectroscopic redshift alone. A network trained on
the clipped sample carries that knowledge in its prior, so inside the window it has an advantage
that has nothing to do with better training galaxies. Cutting another network's PDFs to the window
gives it the same knowledge: only what the clipped network gains over *that* is owed to clipping.
So told are the full network and the one of the random subsample, which has as many training
galaxies as the clipped one.
"""

from dataclasses import replace

import numpy as np

from pix2z.redshift_pdf.density import median, normalise
from pix2z.redshift_pdf.predictions import Predictions

__all__ = ["told_window"]


def told_window(predictions: Predictions, window: tuple[float, float]) -> Predictions:
    """Cut every PDF to [low, high] in redshift and renormalise; the point estimate is its median.

    Bins that the window cuts keep their share inside it. A PDF that is 0 throughout the window
    becomes flat there.
    """
    grid = predictions.grid
    low, high = (np.clip(limit, grid.z_min, grid.z_max) for limit in window)
    inside = np.minimum(grid.edges[1:], high) - np.maximum(grid.edges[:-1], low)
    share = np.clip(inside / grid.width, 0.0, 1.0)
    cut = predictions.density.astype(np.float64) * share
    density = normalise(np.where(cut.sum(axis=1, keepdims=True) > 0, cut, share), grid)
    return replace(predictions, density=density.astype(np.float32), z_phot=median(density, grid))
