"""Galaxies added to the five bands of a field, each through the band's own WCS.

A galaxy is rendered once, noise-free, with the PSF of its place; every band shifts it by a fraction
of a pixel, in Fourier space, and adds photon noise of the galaxy's own light. The sky, its noise
and its neighbours are the frame's. What is cut out again is cut as `pix2z catalogue` cuts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import fourier_shift

from pix2z.archive.frames import Frame
from pix2z.errors import InputError
from pix2z.imaging import BANDS, PIXEL_SCALE
from pix2z.injection.seeing import Seeing
from pix2z.sky.observing import ELECTRONS_PER_NANOMAGGY
from pix2z.sky.rendering import Sources, render

__all__ = [
    "CROWDING_RADIUS",
    "SIDE",
    "STAMP_REACH",
    "Places",
    "Round",
    "draw_places",
    "inject",
    "inject_in_rounds",
    "light_around",
]

SIDE = 128
"""Pixels that a galaxy is rendered on: 50 arcsec hold 99.7 % of the light of the sample's."""

STAMP_REACH = 64
"""Pixels that do where only the stamp is cut out again, which takes these many to be shifted: the
stamp's flux is that of `SIDE` within 0.4 %."""

MARGIN = 36
"""Pixels to the edge of the r frame: as bands are up to 12 apart, a stamp lies inside all."""

TOGETHER = 40
"""Galaxies put into a field at once, at most; no two closer than `SIDE`, in columns or rows."""

TRIALS = 10_000
"""Places that are tried, before fewer are put into a small field."""

CROWDING_RADIUS = 6.0
"""arcsec, about as far as a stamp reaches."""

Array = NDArray[np.float64]
Frames = Mapping[str, Frame]


@dataclass(frozen=True)
class Places:
    """Where N galaxies go: column and row in the r frame, from 0, and degrees."""

    x: Array
    y: Array
    ra: Array
    dec: Array

    def __len__(self) -> int:
        """Count the places."""
        return len(self.x)


class Round(NamedTuple):
    """Some of N sources that are in a field together.

    rows : (n,) which of them. places : theirs. sources : with the PSF of their places. frames : the
    field with them in it.
    """

    rows: NDArray[np.int64]
    places: Places
    sources: Sources
    frames: dict[str, Frame]


def inject_in_rounds(
    frames: Frames,
    seeing: Seeing,
    sources: Sources,
    rng: np.random.Generator,
    *,
    pixels: int = SIDE,
) -> Iterator[Round]:
    """Put every source at a random place, each round of them into the frames as they were.

    rng : of places and photon noise. pixels : as in `inject`. Raises InputError as `draw_places`.
    """
    start = 0
    for places in draw_places(frames, len(sources), rng):
        rows = np.arange(start, start + len(places))
        start += len(places)
        seen = seeing.seen(sources.take(rows), places.x, places.y)
        yield Round(rows, places, seen, inject(frames, seen, places, rng, pixels=pixels))


def draw_places(frames: Frames, n: int, rng: np.random.Generator) -> Iterator[Places]:
    """Draw n places of stamps' centres, uniform over the field, in rounds of at most `TOGETHER`.

    Raises InputError where a frame is too small to hold one.
    """
    frame = frames["r"]
    rows, columns = frame.pixels.shape
    if min(rows, columns) <= 2 * MARGIN:
        raise InputError(
            f"{frame.path}: expected more than {2 * MARGIN} pixels on a side to put galaxies into; "
            f"received {columns} x {rows}"
        )
    while n > 0:
        taken: list[Array] = []
        for place in rng.uniform(MARGIN, [columns - MARGIN, rows - MARGIN], (TRIALS, 2)):
            if all(np.abs(place - other).max() >= SIDE for other in taken):
                taken.append(place)
            if len(taken) == min(n, TOGETHER):
                break
        x, y = np.array(taken).T
        yield Places(x, y, *(np.asarray(v) for v in frame.wcs.all_pix2world(x, y, 0)))
        n -= len(taken)


def inject(
    frames: Frames,
    sources: Sources,
    places: Places,
    rng: np.random.Generator | None,
    *,
    pixels: int = SIDE,
) -> dict[str, Frame]:
    """Return the frames with these sources added, each about its place by its own offset.

    rng : of the photon noise; None adds none. pixels : on a side, that a source is rendered on.
    """
    stamps = render(sources, pixels=pixels)
    changed = {}
    for band, frame in frames.items():
        full, index = frame.pixels.copy(), BANDS.index(band)
        x, y = frame.wcs.all_world2pix(places.ra, places.dec, 0)
        for stamp, column, row in zip(stamps[:, index], x, y, strict=True):
            light, corner = _on_pixels(stamp, row=row, column=column)
            if rng is not None:
                electrons = ELECTRONS_PER_NANOMAGGY[index]
                sigma = np.sqrt(np.maximum(light, 0) / electrons)
                light = light + sigma * rng.standard_normal(light.shape)
            _add(full, light.astype(np.float32), corner)
        changed[band] = replace(frame, pixels=full)
    return changed


def _on_pixels(
    stamp: NDArray[np.float32], *, row: float, column: float
) -> tuple[Array, tuple[int, int]]:
    """Shift a stamp's centre onto (row, column); return it and the pixel of its first corner."""
    half = (len(stamp) - 1) / 2
    corner = round(row - half), round(column - half)
    rest = [row - half - corner[0], column - half - corner[1]]
    shifted = np.fft.ifft2(fourier_shift(np.fft.fft2(stamp), rest)).real
    return np.asarray(shifted, np.float64), corner


def _add(pixels: NDArray[np.float32], light: NDArray[np.float32], corner: tuple[int, int]) -> None:
    """Add what of the light falls on the frame."""
    first = [max(0, -start) for start in corner]
    last = [min(len(light), side - start) for side, start in zip(pixels.shape, corner, strict=True)]
    here = tuple(slice(a, max(a, b)) for a, b in zip(first, last, strict=True))
    there = tuple(slice(s.start + c, s.stop + c) for s, c in zip(here, corner, strict=True))
    pixels[there] += light[here]


def light_around(frames: Frames, places: Places) -> Array:
    """Nanomaggies (N,) that the r frame holds within `CROWDING_RADIUS` of places."""
    pixels, reach = frames["r"].pixels, int(CROWDING_RADIUS / PIXEL_SCALE) + 1
    light = np.empty(len(places))
    for number, (x, y) in enumerate(zip(places.x, places.y, strict=True)):
        top, left = round(y) - reach, round(x) - reach
        window = pixels[max(top, 0) : round(y) + reach + 1, max(left, 0) : round(x) + reach + 1]
        row, column = np.indices(window.shape)
        far = np.hypot(row + max(top, 0) - y, column + max(left, 0) - x) * PIXEL_SCALE
        light[number] = np.nansum(window[far <= CROWDING_RADIUS])
    return light
