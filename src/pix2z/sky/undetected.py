"""Galaxies too faint to be detected one by one: together they make the sky uneven.

Their counts go on where those of `neighbours` end, with the same slope: 126,000 per square degree
to r = 25.5, and 480,000 to r = 27.2, where Smail et al. (1995, ApJ 449, L105) count 700,000 to
R = 27. Each is a few pixels of light, seen through a PSF much wider than it is, so that round
Gaussians stand for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr  # scipy.stats takes half a second to import

from pix2z.imaging import PIXEL_SCALE, STAMP_SIDE
from pix2z.sky.neighbours import COUNT_SLOPE, GALAXIES, HALF_WIDTH
from pix2z.sky.parents import Z_RANGE, Parents
from pix2z.sky.plan import flux_at
from pix2z.sky.profiles import psf_components

__all__ = [
    "MOST_UNDETECTED",
    "Undetected",
    "draw_undetected",
    "render_undetected",
    "undetected_per_stamp",
]

MOST_UNDETECTED = 12
"""Of a stamp, at most; 2.2 are expected to r = 25.5, and one stamp in a million would have more."""

HALF_LIGHT_RADIUS = 0.4
"""arcsec; 0.2 at R = 26 (Smail et al. 1995), and more where they are brighter."""

GAUSSIAN_SIGMA = 0.95
"""Sigma of the round Gaussian that stands for a disc, in half-light radii of the disc: behind a PSF
of 1.3 arcsec its pixels differ from the disc's by 1.2 % of the peak."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Undetected:
    """M faint galaxies of a block of stamps.

    stamp : (M,) which stamp; flux : (M, 5) nanomaggies as seen; x, y : (M,) arcsec from its centre;
    sigma, share : (M, 5, 2) arcsec and share of the light of the two Gaussians that each is.
    """

    stamp: NDArray[np.int64]
    flux: Array
    x: Array
    y: Array
    sigma: Array
    share: Array


def undetected_per_stamp(brightest: float, faintest: float) -> float:
    """Count those expected between two r magnitudes, in a stamp and the four pixels around it."""
    magnitude, log_density = (float(values[-1]) for values in GALAXIES)
    density = 10 ** (log_density + COUNT_SLOPE * (np.array([brightest, faintest]) - magnitude))
    per_square_degree = np.diff(density)[0] / (COUNT_SLOPE * np.log(10))
    return float(per_square_degree * (2 * HALF_WIDTH / 3600) ** 2)


def draw_undetected(
    parents: Parents,
    uniforms: Mapping[str, Array],
    throughput: Array,
    *,
    psf_fwhm: Array,
    psf_wings: Array,
    brightest: float,
    faintest: float,
) -> Undetected:
    """Draw a Poisson number of them per stamp, coloured as galaxies at the end of `Z_RANGE` are.

    throughput, psf_fwhm, psf_wings : (N, 5) of the stamps; brightest, faintest : r magnitudes.
    """
    mean = undetected_per_stamp(brightest, faintest)
    n = np.searchsorted(pdtr(np.arange(MOST_UNDETECTED), mean), uniforms["undetected_number"])
    stamp, slot = np.nonzero(np.arange(MOST_UNDETECTED) < n[:, None])
    x, y, faintness, parent = (
        uniforms[f"undetected_{name}"][stamp, slot]
        for name in ("right", "up", "magnitude", "parent")
    )
    growth = 10 ** (COUNT_SLOPE * (faintest - brightest))
    magnitude = brightest + np.log10(1 + faintness * (growth - 1)) / COUNT_SLOPE
    rows = (parent * len(parents)).astype(np.int64)
    flux = flux_at(parents, rows=rows, z=np.full(len(rows), Z_RANGE[1]))
    flux *= (10 ** (-0.4 * (magnitude - 22.5)) / flux[:, 2])[:, None] * throughput[stamp]
    share, width = psf_components(psf_wings[stamp])
    own = (HALF_LIGHT_RADIUS * GAUSSIAN_SIGMA) ** 2 + PIXEL_SCALE**2 / 12
    return Undetected(
        stamp=stamp,
        flux=flux,
        x=(2 * x - 1) * HALF_WIDTH,
        y=(2 * y - 1) * HALF_WIDTH,
        sigma=np.sqrt((width * psf_fwhm[stamp][..., None]) ** 2 + own),
        share=share,
    )


def render_undetected(sources: Undetected) -> NDArray[np.float32]:
    """Noise-free stamps (M, 5, STAMP_SIDE, STAMP_SIDE), nanomaggies per pixel, rows first."""
    pixel = (np.arange(STAMP_SIDE) - (STAMP_SIDE - 1) / 2) * PIXEL_SCALE
    columns, rows = (
        np.exp(-0.5 * ((pixel - place[:, None, None, None]) / sources.sigma[..., None]) ** 2)
        for place in (sources.x, sources.y)
    )
    peak = sources.flux[..., None] * sources.share * PIXEL_SCALE**2
    rows *= (peak / (2 * np.pi * sources.sigma**2))[..., None]
    stamps: NDArray[np.float32] = rows.astype(np.float32).swapaxes(2, 3) @ columns.astype(
        np.float32
    )
    return stamps
