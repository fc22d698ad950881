"""Galaxy parameters -> noise-free five-band stamps, by batched Fourier synthesis.

Bulge, disc, PSF and pixel have closed transforms, so a stamp is the inverse transform of a product
that is known everywhere. Only 32 x 32 pixels of it are wanted: two matrix products per band
(columns, then rows) give just those, at any sub-pixel offset, and cost less than an FFT. The grid
is periodic, so its side follows the galaxy's size, or light would wrap around.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pix2z.imaging import PIXEL_SCALE, STAMP_SIDE
from pix2z.sky.profiles import DISC_SCALE, SPERGEL_INDEX, SPERGEL_SCALE, psf_components

__all__ = [
    "GRID_SIDES",
    "SHAPES",
    "Sources",
    "grid_side",
    "render",
    "render_shapes",
]

GRID_SIDES = (64, 96, 128, 192, 256, 384, 512)
"""pixels; even."""

SHAPES = ("disc", "bulge", "disc_radius_derivative", "disc_axis_ratio_derivative")
"""What `render_shapes` returns, per unit flux; the radius derivative is by ln(radius)."""

_CHUNK_VALUES = 1_500_000
"""Values of the largest array of one chunk: 6 MB, which stays near the processor."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sources:
    """Bulge + disc galaxies as seen through the atmosphere; zero radii make a star.

    Radii are half-light radii along the major axis, arcsec; axis ratios are b/a; the position
    angle runs from the column axis (x) towards the row axis (y), degrees; offsets from the stamp's
    centre in arcsec; `flux` (M, 5) in nanomaggies as seen; `bulge_fraction` (M, 5); `psf_fwhm`
    (M, 5) in arcsec; `psf_wings` (M, 5), share of the light in the PSF's wings.
    """

    flux: NDArray[np.float64]
    bulge_fraction: NDArray[np.float64]
    disc_half_light_radius: NDArray[np.float64]
    bulge_half_light_radius: NDArray[np.float64]
    disc_axis_ratio: NDArray[np.float64]
    bulge_axis_ratio: NDArray[np.float64]
    position_angle: NDArray[np.float64]
    offset_x: NDArray[np.float64]
    offset_y: NDArray[np.float64]
    psf_fwhm: NDArray[np.float64]
    psf_wings: NDArray[np.float64]

    def __len__(self) -> int:
        """Count the sources."""
        return len(self.flux)

    def take(self, rows: NDArray[np.int64]) -> "Sources":
        """Return the sources of these rows."""
        return Sources(**{name: values[rows] for name, values in vars(self).items()})


def grid_side(sources: Sources) -> NDArray[np.int64]:
    """Side of the periodic grid each source needs, one of `GRID_SIDES`.

    A periodic image lies a side away; chosen so that the light it adds to the stamp stays below
    about half a percent of the stamp's (constants fitted to differences from GalSim, to which
    tests/sky/test_rendering.py holds them). Off-centre sources come closer to their image.
    """
    along = np.abs(np.cos(np.deg2rad(2 * sources.position_angle)))
    share = sources.bulge_fraction.max(axis=1, initial=0.0)
    disc = sources.disc_half_light_radius * _extent(sources.disc_axis_ratio, along)
    bulge = sources.bulge_half_light_radius * _extent(sources.bulge_axis_ratio, along)
    offset = np.maximum(np.abs(sources.offset_x), np.abs(sources.offset_y)) / PIXEL_SCALE
    needed = 64 + np.maximum(10.0 * (disc - 4.5), 14.2 * (bulge * share**0.3 - 2.7))
    needed += np.maximum(offset - 1, 0)
    choice = np.minimum(np.searchsorted(GRID_SIDES, needed), len(GRID_SIDES) - 1)
    side: NDArray[np.int64] = np.array(GRID_SIDES, np.int64)[choice]
    return side


def _extent(axis_ratio: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest extent of a unit ellipse along the grid's axes; along = |cos(2 angle)|."""
    result: NDArray[np.float64] = np.sqrt((1 + along) / 2 + axis_ratio**2 * (1 - along) / 2)
    return result


@dataclass(frozen=True)
class _Grid:
    """Half plane of a side x side Fourier grid; wave numbers in rad/arcsec."""

    k_x: Array
    k_y: Array
    quadratic: Array
    """(3, side * (side/2 + 1)): k_x^2, k_x k_y, k_y^2."""
    pixel: Array
    """(side, side/2 + 1): transform of the pixel, times the weights of the half-plane sum."""


@cache
def _grid(side: int) -> _Grid:
    step = 2 * np.pi / (side * PIXEL_SCALE)
    k_x = step * np.arange(side // 2 + 1)
    k_y = step * np.fft.fftfreq(side, 1 / side)
    x, y = np.broadcast_arrays(k_x[None, :], k_y[:, None])
    sinc_x, sinc_y = (np.sinc(k * PIXEL_SCALE / (2 * np.pi)) for k in (k_x, k_y))
    weight = np.full(k_x.shape, 2.0 / side**2)  # the half plane stands for both
    weight[[0, -1]] = 1.0 / side**2
    return _Grid(
        k_x=k_x.astype(np.float32),
        k_y=k_y.astype(np.float32),
        quadratic=np.stack([x * x, x * y, y * y]).reshape(3, -1).astype(np.float32),
        pixel=(sinc_y[:, None] * (sinc_x * weight)[None, :]).astype(np.float32),
    )


def _stretched_square(
    grid: _Grid,
    radius: NDArray[np.float64],
    axis_ratio: NDArray[np.float64],
    angle: NDArray[np.float64],
) -> tuple[Array, Array]:
    """|k|^2 in units of an elliptical profile's scale, and its part along the minor axis.

    Both (M, side * (side/2 + 1)): radius^2 (k_major^2 + q^2 k_minor^2) and radius^2 q^2 k_minor^2.
    """
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    major = np.stack([cos * cos, 2 * cos * sin, sin * sin], axis=1) * (radius**2)[:, None]
    minor = np.stack([sin * sin, -2 * cos * sin, cos * cos], axis=1)
    minor *= ((radius * axis_ratio) ** 2)[:, None]
    minor_square = minor.astype(np.float32) @ grid.quadratic
    square = major.astype(np.float32) @ grid.quadratic
    square += minor_square
    return square, minor_square


def _disc(grid: _Grid, sources: Sources, *, derivatives: bool) -> list[Array]:
    """Transform (1 + k^2)^(-3/2) of the disc, and its derivatives by ln(radius) and axis ratio."""
    square, minor = _stretched_square(
        grid,
        sources.disc_half_light_radius * DISC_SCALE,
        sources.disc_axis_ratio,
        sources.position_angle,
    )
    u: Array = 1 + square
    disc: Array = np.sqrt(u)
    disc *= u
    np.reciprocal(disc, out=disc)
    if not derivatives:
        return [disc]
    slope: Array = -3 * disc  # square and minor are quadratic in radius and axis ratio
    slope /= u
    minor *= slope
    minor /= sources.disc_axis_ratio.astype(np.float32)[:, None]
    square *= slope
    return [disc, square, minor]


def _bulge(grid: _Grid, sources: Sources) -> Array:
    """Transform (1 + k^2)^-(1 + nu) of the Spergel bulge (Spergel 2010, eq. 5)."""
    square, _ = _stretched_square(
        grid,
        sources.bulge_half_light_radius * SPERGEL_SCALE,
        sources.bulge_axis_ratio,
        sources.position_angle,
    )
    bulge: Array = np.log1p(square, out=square)
    bulge *= -(1 + SPERGEL_INDEX)
    return np.exp(bulge, out=bulge)


def _psf(grid: _Grid, sources: Sources) -> Array:
    """Transform of the PSF, (M, bands, side, side/2 + 1): a sum of separable Gaussians."""
    shares, widths = psf_components(sources.psf_wings)
    sigma = sources.psf_fwhm[..., None] * widths
    half_variance = (0.5 * sigma**2).astype(np.float32)
    columns = np.exp(-half_variance[..., None] * grid.k_x**2) * shares[..., None].astype(np.float32)
    rows = np.exp(-half_variance[..., None, :] * (grid.k_y**2)[:, None])
    psf: Array = rows @ columns
    return psf


def _waves(k: Array, offset: NDArray[np.float64], pixels: int) -> tuple[Array, Array]:
    """Return cos and sin of k (position - offset) at so many pixels, (M, len(k), pixels)."""
    pixel = (np.arange(pixels) - (pixels - 1) / 2) * PIXEL_SCALE
    position = (pixel[None, :] - offset[:, None]).astype(np.float32)
    phase = k[None, :, None] * position[:, None, :]
    return np.cos(phase), np.sin(phase)


def _synthesise(
    grid: _Grid, sources: Sources, spectra: Array, *, pixels: int = STAMP_SIDE
) -> Array:
    """Real part of the inverse transform at the stamp's pixels.

    spectra : (M, S, side, side/2 + 1) real; returns (M, S, pixels, pixels), rows first.
    """
    m, count, side, half = spectra.shape
    cos_x, sin_x = _waves(grid.k_x, sources.offset_x, pixels)
    cos_y, sin_y = _waves(grid.k_y, sources.offset_y, pixels)
    columns = np.concatenate([cos_x, sin_x], axis=2)
    rows = np.stack([cos_y, -sin_y], axis=2).reshape(m, 2 * side, pixels)
    partial = spectra.reshape(m, count * side, half) @ columns
    # A row of `partial` holds cosine and sine sums side by side: split, they match `rows`.
    partial = partial.reshape(m, count, 2 * side, pixels)
    stamps: Array = rows.transpose(0, 2, 1)[:, None] @ partial
    return stamps


def _chunks(
    sources: Sources, per_source: int, *, pixels: int = STAMP_SIDE
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(grid side, rows) of chunks of sources that share a grid, none smaller than the stamp."""
    sides = np.maximum(grid_side(sources), pixels)
    for side in GRID_SIDES:
        rows = np.flatnonzero(sides == side)
        size = max(1, _CHUNK_VALUES // (per_source * side * (side // 2 + 1)))
        for start in range(0, len(rows), size):
            yield side, rows[start : start + size]


def render(sources: Sources, *, pixels: int = STAMP_SIDE) -> Array:
    """Noise-free stamps (M, 5, pixels, pixels), nanomaggies per pixel, rows first.

    pixels : on a side; more than `STAMP_SIDE` is one of `GRID_SIDES`.
    """
    stamps = np.empty((len(sources), 5, pixels, pixels), np.float32)
    for side, rows in _chunks(sources, 5, pixels=pixels):
        part, grid = sources.take(rows), _grid(side)
        disc, bulge = _disc(grid, part, derivatives=False)[0], _bulge(grid, part)
        disc_flux = (part.flux * (1 - part.bulge_fraction)).astype(np.float32)
        bulge_flux = (part.flux * part.bulge_fraction).astype(np.float32)
        galaxy = disc_flux[..., None] * disc[:, None]
        galaxy += bulge_flux[..., None] * bulge[:, None]
        spectra = _psf(grid, part)
        spectra *= galaxy.reshape(spectra.shape)
        spectra *= grid.pixel
        stamps[rows] = _synthesise(grid, part, spectra, pixels=pixels)
    return stamps


def render_shapes(sources: Sources) -> Array:
    """Unit-flux stamps of `SHAPES` in five bands, (M, 5, 4, STAMP_SIDE, STAMP_SIDE)."""
    stamps = np.empty((len(sources), 5, len(SHAPES), STAMP_SIDE, STAMP_SIDE), np.float32)
    for side, rows in _chunks(sources, 5 * len(SHAPES)):
        part, grid = sources.take(rows), _grid(side)
        disc, by_radius, by_axis_ratio = _disc(grid, part, derivatives=True)
        shapes = np.stack([disc, _bulge(grid, part), by_radius, by_axis_ratio], axis=1)
        shapes = shapes.reshape(len(rows), 1, len(SHAPES), side, -1)
        shapes *= grid.pixel
        spectra = _psf(grid, part)[:, :, None] * shapes
        flat = spectra.reshape(len(rows), 5 * len(SHAPES), side, -1)
        stamps[rows] = _synthesise(grid, part, flat).reshape(len(rows), *stamps.shape[1:])
    return stamps
