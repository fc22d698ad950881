"""The random numbers of a stamp: a stream of its own, so no stamp changes when others are added."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pix2z.sky.neighbours import MOST
from pix2z.sky.undetected import MOST_UNDETECTED

__all__ = [
    "GALAXY_DRAWS",
    "pixel_noise",
    "shared_uniforms",
    "stamp_generators",
    "stamp_uniforms",
]

GALAXY_DRAWS = (
    "early",
    "bulge",
    "bulge_colour",
    "inclination",
    "size",
    "radius_ratio",
    "bulge_axis_ratio",
    "angle",
    "x",
    "y",
)
"""Uniform numbers that one galaxy takes."""

_STAMP_DRAWS: Mapping[str, int] = {
    "redshift": 1,
    "ebv": 1,
    "seeing": 1,
    "seeing_band": 5,
    "sky": 1,
    "sky_band": 5,
    "calibration": 5,
    "edge": 1,
    "edge_side": 1,
    "edge_depth": 1,
    "edge_shift": 5,
    **{f"galaxy_{name}": 1 for name in GALAXY_DRAWS},
    "neighbour_number": 1,
    "neighbour_kind": MOST,
    "neighbour_right": MOST,
    "neighbour_up": MOST,
    "neighbour_parent": MOST,
    "neighbour_magnitude": MOST,
    "neighbour_colour": MOST,
    **{f"neighbour_{name}": MOST for name in GALAXY_DRAWS},
    "wings": 5,
    "sky_offset": 5,
    "undetected_number": 1,
    "undetected_right": MOST_UNDETECTED,
    "undetected_up": MOST_UNDETECTED,
    "undetected_magnitude": MOST_UNDETECTED,
    "undetected_parent": MOST_UNDETECTED,
}
"""Name and number of uniform draws of a stamp; new ones go to the end and leave the rest as is."""


def stamp_generators(
    seed: int, parent: NDArray[np.int64], copy: NDArray[np.int64]
) -> list[np.random.Generator]:
    """One generator per stamp, from (seed, catalogue row of the parent, copy) alone."""
    return [
        np.random.default_rng([seed, int(row), int(number)])
        for row, number in zip(parent, copy, strict=True)
    ]


def stamp_uniforms(generators: list[np.random.Generator]) -> dict[str, NDArray[np.float64]]:
    """Uniform draws in (0, 1) by name: (N,), or (N, n) where a stamp has n of them."""
    total = sum(_STAMP_DRAWS.values())
    drawn = np.stack([generator.random(total) for generator in generators])
    drawn = np.clip(drawn, 1e-12, 1 - 1e-12)
    uniforms, start = {}, 0
    for name, width in _STAMP_DRAWS.items():
        part = drawn[:, start : start + width]
        uniforms[name] = part[:, 0] if width == 1 else part
        start += width
    return uniforms


def shared_uniforms(seed: int, kind: str, owner: NDArray[np.int64]) -> NDArray[np.float64]:
    """Uniform draws (N, 5), the same for all stamps of one owner, as a galaxy or a field."""
    owners, place = np.unique(owner, return_inverse=True)
    drawn = [np.random.default_rng([seed, *kind.encode(), int(one)]).random(5) for one in owners]
    return np.clip(drawn, 1e-12, 1 - 1e-12)[place]


def pixel_noise(
    generators: list[np.random.Generator], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Draw unit normal noise (N, *shape); taken after the uniforms."""
    noise = np.empty((len(generators), *shape), np.float32)
    for generator, stamp in zip(generators, noise, strict=True):
        generator.standard_normal(dtype=np.float32, out=stamp)
    return noise
