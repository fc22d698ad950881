"""A small field in five frames: stars, galaxies and a saturated star at known places.

Bands are shifted against each other, as SDSS's are, and the seeing grows along the columns.
"""

import bz2
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import gaussian_filter

BANDS = "ugriz"
SHAPE = (400, 560)
RA, DEC = 150.0, 2.0
SCALE = 0.396 / 3600
SKY = (0.043, 0.017, 0.027, 0.044, 0.175)
COLOUR = (0.2, 0.5, 1.0, 1.4, 1.8)
"""Fluxes in ugriz of every source, in units of that in r."""
SHIFT = {"u": (6, -5), "g": (3, -2), "r": (0, 0), "i": (-4, 3), "z": (-7, 6)}
"""Columns and rows by which a band is shifted."""
SATURATED = (280.3, 200.6)
FULL = 60.0
"""Nanomaggies at which a pixel is cut off."""


@dataclass(frozen=True)
class Planted:
    """Places in the r frame, r fluxes in nanomaggies, and scale lengths in pixels (stars: 0)."""

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    scale: np.ndarray

    @property
    def is_star(self) -> np.ndarray:
        return self.scale == 0


def plant(*, n_stars: int = 50, n_galaxies: int = 12, seed: int = 5) -> Planted:
    """Put sources at the middles, nearly, of cells of 50 pixels, none near the saturated star."""
    rng = np.random.default_rng(seed)
    cells = [(25 + 50 * i, 25 + 50 * j) for i in range(11) for j in range(8)]
    cells = [c for c in cells if np.hypot(c[0] - SATURATED[0], c[1] - SATURATED[1]) > 75]
    n = n_stars + n_galaxies
    place = rng.permutation(cells)[:n] + rng.uniform(-5, 5, (n, 2))
    magnitude = np.append(rng.uniform(15.6, 20, n_stars), rng.uniform(16, 18.3, n_galaxies))
    scale = np.append(np.zeros(n_stars), rng.uniform(2.0, 4.0, n_galaxies))
    return Planted(*place.T, 10 ** (0.4 * (22.5 - magnitude)), scale)


def wcs_of(band: str) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [RA, DEC]
    wcs.wcs.crpix = [SHAPE[1] / 2 + SHIFT[band][0], SHAPE[0] / 2 + SHIFT[band][1]]
    wcs.wcs.cd = [[-SCALE, 0.0], [0.0, SCALE]]
    return wcs


def profile(x: float, y: float, scale: float) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return where a source is, and its light of sum 1: a disc, or a star, in the seeing there."""
    sigma = 1.3 * (1 + 0.25 * x / SHAPE[1])
    half = 40
    left, low = round(x) - half, round(y) - half
    fine = 4
    axis = (np.arange(2 * half * fine) + 0.5) / fine - 0.5
    radius2 = (axis[:, None] + low - y) ** 2 + (axis[None, :] + left - x) ** 2
    if scale:
        light = gaussian_filter(np.exp(-np.sqrt(radius2) / scale), sigma * fine)
    else:
        light = np.exp(-radius2 / (2 * sigma**2))
    light = light.reshape(2 * half, fine, 2 * half, fine).sum(axis=(1, 3))
    rows = slice(max(low, 0), min(low + 2 * half, SHAPE[0]))
    columns = slice(max(left, 0), min(left + 2 * half, SHAPE[1]))
    inside = light[rows.start - low : rows.stop - low, columns.start - left : columns.stop - left]
    return (rows, columns), inside / light.sum()


def pixels_of(planted: Planted, band: str, *, saturated: bool = True) -> np.ndarray:
    index = BANDS.index(band)
    rng = np.random.default_rng([1, index])
    pixels = rng.normal(0, SKY[index], SHAPE)
    dx, dy = SHIFT[band]
    for x, y, flux, scale in zip(planted.x, planted.y, planted.flux, planted.scale, strict=True):
        where, light = profile(x + dx, y + dy, scale)
        pixels[where] += COLOUR[index] * flux * light
    if saturated:
        row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
        radius2 = (column - SATURATED[0] - dx) ** 2 + (row - SATURATED[1] - dy) ** 2
        core = 1500 * np.exp(-radius2 / (2 * 1.5**2)) + 6 / (1 + radius2 / 20) ** 1.5
        pixels += np.minimum(core, FULL + rng.uniform(0, 20, SHAPE))
        pixels[round(SATURATED[1]) + dy, :] += 1.5 / (
            1 + np.sqrt(radius2[round(SATURATED[1])]) / 20
        )
    return pixels.astype(np.float32)


def write_field(
    folder: Path, planted: Planted, *, packed: str = "g", **options: bool
) -> list[Path]:
    """Write the frames, the bands in `packed` as .fits.bz2; return them in no order of bands."""
    paths = []
    for band in "zgriu":
        hdu = fits.PrimaryHDU(pixels_of(planted, band, **options))
        hdu.header.update(wcs_of(band).to_header())
        hdu.header.update(FILTER=band, BUNIT="nanomaggy", RUN=94, CAMCOL=1)
        written = io.BytesIO()
        hdu.writeto(written)
        path = folder / f"{band}.fits{'.bz2' if band in packed else ''}"
        content = written.getvalue()
        path.write_bytes(bz2.compress(content, 1) if band in packed else content)
        paths.append(path)
    return paths
