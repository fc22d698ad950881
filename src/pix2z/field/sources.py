"""The sources of a field: where, how bright, how large, star or galaxy, and what is doubtful."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.frames import Frame
from pix2z.dataset.photometry import magnitude
from pix2z.field.detection import Detection, centred, circle_photometry, detect
from pix2z.field.photometry import APERTURE, growth, petrosian
from pix2z.field.stars import excess_spread, is_saturated, stars_of
from pix2z.imaging import BANDS, EXTINCTION_PER_EBV, PIXEL_SCALE, STAMP_SIDE

__all__ = ["SOURCE_FLAG_MEANINGS", "SourceFlag", "Sources", "find_sources", "sources_at"]

Array = NDArray[np.float64]


class SourceFlag(IntFlag):
    """What is said of a source of a field."""

    SATURATED = 1
    NEAR_SATURATED = 2
    BLENDED = 4
    AT_EDGE = 8
    NO_STARS = 16
    NO_MAGNITUDE = 32
    TOO_FAINT = 64


SOURCE_FLAG_MEANINGS: Mapping[int, str] = {
    SourceFlag.SATURATED: "a saturated star: resolved, and brighter at its peak than galaxies are",
    SourceFlag.NEAR_SATURATED: "in the light of a saturated star, and perhaps a part of it",
    SourceFlag.BLENDED: "blended with a neighbour",
    SourceFlag.AT_EDGE: "so near the edge of the r frame that its stamp is cut",
    SourceFlag.NO_STARS: "too few stars in the field to tell stars from galaxies: called a galaxy",
    SourceFlag.NO_MAGNITUDE: "no Petrosian magnitude",
    SourceFlag.TOO_FAINT: "a galaxy fainter than the limit, which has a redshift only "
    "where its position was listed",
}
"""Bit -> what it says of a source."""

LEAST_SIGNIFICANCE = 10.0
"""Flux above the threshold over its noise: r = 22 in SDSS; of fainter ones spreads say nothing."""

FLUX_RADIUS = 3.0
"""arcsec, of the fluxes in five bands."""


@dataclass(frozen=True)
class Sources:
    """N sources of a field.

    ra, dec : degrees. x, y : column and row in the r frame, from 0. flux, error : Petrosian, in r,
    nanomaggies, the error of the sky's noise alone. half_light : radius in arcsec. excess : spread
    beyond a star's, magnitudes. circle, circle_error : (N, 5) nanomaggies within `FLUX_RADIUS`.
    flags : sums of `SourceFlag`.
    """

    object_id: NDArray[np.int64]
    ra: Array
    dec: Array
    x: Array
    y: Array
    flux: Array
    error: Array
    half_light: Array
    excess: Array
    is_galaxy: NDArray[np.bool_]
    circle: Array
    circle_error: Array
    flags: NDArray[np.int32]

    def __len__(self) -> int:
        """Count the sources."""
        return len(self.flags)

    @property
    def magnitude(self) -> Array:
        """Petrosian r, AB; NaN where there is none."""
        return np.asarray(magnitude(self.flux), np.float64)

    def only(self, rows: NDArray[Any]) -> "Sources":
        """Take some rows, in this order."""
        return replace(self, **{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def judged(self, limit: float, ebv: float | None) -> "Sources":
        """Flag galaxies fainter than `limit` in r, less the Galactic extinction if it is known."""
        extinction_r = EXTINCTION_PER_EBV[BANDS.index("r")] * (ebv or 0.0)
        faint = self.is_galaxy & ~(self.magnitude - extinction_r < limit)
        flags = np.where(faint, SourceFlag.TOO_FAINT, 0).astype(np.int32)
        return replace(self, flags=self.flags | flags)


def find_sources(frames: Mapping[str, Frame]) -> Sources:
    """Find and measure the sources of a field, the brightest first, numbered from 1.

    Raises InputError where the r frame has none, or another frame no noise.
    """
    found = detect(frames["r"])
    noise = found.noise * np.sqrt(found.n_pixels)
    kept = np.flatnonzero(found.flux > LEAST_SIGNIFICANCE * noise)
    x, y = centred(found, found.x[kept], found.y[kept])
    ra, dec = frames["r"].wcs.all_pix2world(x, y, 0)
    sources = _measured(frames, found, (kept + 1).astype(np.int32), (x, y), (ra, dec))
    ordered = sources.only(np.argsort(-np.nan_to_num(sources.flux, nan=-1.0), kind="stable"))
    return replace(ordered, object_id=np.arange(1, len(ordered) + 1))


def sources_at(
    frames: Mapping[str, Frame], ra: Array, dec: Array, object_id: NDArray[np.int64]
) -> Sources:
    """Measure what is at positions, those in the r frame, in their order; as `find_sources`."""
    found = detect(frames["r"])
    rows, columns = found.pixels.shape
    x, y = (np.asarray(v) for v in frames["r"].wcs.all_world2pix(ra, dec, 0))
    inside = (x > -0.5) & (x < columns - 0.5) & (y > -0.5) & (y < rows - 0.5)
    x, y = x[inside], y[inside]
    numbers = found.segments[np.rint(y).astype(int), np.rint(x).astype(int)]
    where = centred(found, x, y)
    measured = _measured(frames, found, numbers, where, (ra[inside], dec[inside]))
    return replace(measured, object_id=object_id[inside])


def _measured(
    frames: Mapping[str, Frame],
    found: Detection,
    numbers: NDArray[np.int32],
    where: tuple[Array, Array],
    sky: tuple[Array, Array],
) -> Sources:
    """Measure sources with these numbers of segments (0: none) at (x, y), named as at (RA, Dec)."""
    x, y = where
    n_pixels, peak = (_of_segments(values, numbers) for values in (found.n_pixels, found.peak))
    flux, radius, half = petrosian(growth(found, x, y, numbers, n_pixels))
    stars = stars_of(found)
    excess, resolved = excess_spread(found, stars, x, y, numbers)
    saturated = is_saturated(excess, peak)
    flags = np.zeros(len(x), np.int32)
    for flag, holds in (
        (SourceFlag.SATURATED, saturated),
        (SourceFlag.NEAR_SATURATED, stars.in_halo(x, y) & ~saturated),
        (SourceFlag.BLENDED, _of_segments(found.blended, numbers)),
        (SourceFlag.AT_EDGE, _at_edge(x, y, found.pixels.shape)),
        (SourceFlag.NO_STARS, np.full(len(x), stars.locus is None)),
        (SourceFlag.NO_MAGNITUDE, np.isnan(flux)),
    ):
        flags |= np.where(holds, flag, 0).astype(np.int32)
    circles = [circle_photometry(frames[band], *sky, FLUX_RADIUS / PIXEL_SCALE) for band in BANDS]
    circle, circle_error = np.moveaxis(np.array(circles), 0, -1)
    return Sources(
        object_id=numbers.astype(np.int64),
        ra=sky[0],
        dec=sky[1],
        x=x,
        y=y,
        flux=flux,
        error=found.noise * np.sqrt(np.pi) * APERTURE * radius,
        half_light=half * PIXEL_SCALE,
        excess=excess,
        is_galaxy=resolved & ~saturated,
        circle=circle,
        circle_error=circle_error,
        flags=flags,
    )


def _of_segments(values: NDArray[Any], numbers: NDArray[np.int32]) -> NDArray[Any]:
    return np.append(np.zeros(1, values.dtype), values)[numbers]


def _at_edge(x: Array, y: Array, shape: tuple[int, int]) -> NDArray[np.bool_]:
    to_edge = np.minimum.reduce([x, y, shape[1] - 1 - x, shape[0] - 1 - y])
    return np.asarray(to_edge < STAMP_SIDE / 2)
