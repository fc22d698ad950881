"""Whether galaxies that were put into a field are found there, and told from stars.

Galaxies and stars go in together, in equal numbers and of the same magnitudes; the sources of the
field are then found as `pix2z catalogue` finds them. Whatever lies within `MATCH` of a place counts
as what was put there.

Stars that are put in are as broad as the stars of the field are at their places, and by that very
breadth `field.stars` tells stars from galaxies. So how many are called galaxies tells of noise and
of what lies beside them, not of stars that differ from the others, as binaries and saturated ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import binomtest

from pix2z.dataset.photometry import magnitude
from pix2z.field.frames import cut_all
from pix2z.field.sources import Sources as FieldSources
from pix2z.field.sources import find_sources
from pix2z.imaging import PIXEL_SCALE
from pix2z.injection.frames import Frames, inject_in_rounds
from pix2z.injection.galaxies import DrawnGalaxies, R
from pix2z.injection.seeing import Seeing
from pix2z.sky.rendering import Sources

__all__ = ["MAGNITUDES", "Search", "completeness", "join_searches", "search"]

MATCH = 1.5
"""arcsec."""

MAGNITUDES = (14.0, 16.0, 16.5, 17.0, 17.4, 17.8)
"""Edges of bins in r of all light as seen."""

Mask = NDArray[np.bool_]
Json = dict[str, Any]


@dataclass(frozen=True)
class Search:
    """N galaxies, as many stars of the same r, and the M sources that the field has by itself.

    mag_r : (N,) as put in. galaxy_found, galaxy_told, star_told : (N,) found at all; found and
    called a galaxy. images : (N, 32, 32, 5) cut where a galaxy was found, NaN of others.
    field_mag_r, field_galaxy : (M,) Petrosian r, and whether it is called a galaxy.
    """

    mag_r: NDArray[np.float64]
    galaxy_found: Mask
    galaxy_told: Mask
    star_told: Mask
    images: NDArray[np.float32]
    field_mag_r: NDArray[np.float64]
    field_galaxy: Mask


def search(
    frames: Frames, seeing: Seeing, galaxies: DrawnGalaxies, rng: np.random.Generator
) -> Search:
    """Put galaxies and stars into the field, some at a time, and look for them."""
    n = len(galaxies)
    row = np.repeat(np.arange(n), 2)
    is_star = np.arange(2 * n) % 2 == 1
    found, told = np.zeros((2, 2 * n), np.bool_)
    images = np.full((n, 32, 32, 5), np.nan, np.float32)
    sources = _points(galaxies.sources.take(row), is_star)
    for here, places, _, changed in inject_in_rounds(frames, seeing, sources, rng):
        seen = find_sources(changed)
        number, near = _nearest(seen, places.x, places.y)
        found[here], told[here] = near, near & seen.is_galaxy[number]
        cut = near & ~is_star[here]
        at = number[cut]
        images[row[here][cut]] = cut_all(changed, seen.ra[at], seen.dec[at])
    return Search(
        mag_r=np.asarray(magnitude(galaxies.sources.flux[:, R]), np.float64),
        galaxy_found=found[~is_star],
        galaxy_told=told[~is_star],
        star_told=told[is_star],
        images=images,
        field_mag_r=seeing.sources.magnitude,
        field_galaxy=seeing.sources.is_galaxy,
    )


def _points(sources: Sources, is_star: Mask) -> Sources:
    """Make some sources points of the same fluxes."""
    size = np.where(is_star, 0.0, 1.0)
    return replace(
        sources,
        disc_half_light_radius=size * sources.disc_half_light_radius,
        bulge_half_light_radius=size * sources.bulge_half_light_radius,
    )


def _nearest(
    seen: FieldSources, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.int64], Mask]:
    """Row (N,) of the source nearest to each place, and whether it is within `MATCH`."""
    far, number = cKDTree(np.stack([seen.x, seen.y], axis=1)).query(np.stack([x, y], axis=1))
    return np.asarray(number, np.int64), np.asarray(far * PIXEL_SCALE < MATCH)


def join_searches(parts: Sequence[Search]) -> Search:
    """Return what was found in several fields as of one."""
    return Search(**{k: np.concatenate([getattr(one, k) for one in parts]) for k in vars(parts[0])})


def completeness(result: Search) -> list[Json]:
    """Completeness and purity in bins of r, and in all of them, the last.

    complete : share of the galaxies that were found and called galaxies. star_called_galaxy : share
    of the stars. purity : of what is called a galaxy in fields that have, beside the stars and
    galaxies put in, the numbers of their own: share of galaxies C n_galaxies / (C n_galaxies +
    S n_stars), n being what `pix2z catalogue` calls galaxies and stars there. Intervals are exact
    ones of a binomial share; that of the purity holds the chance in S alone.
    """
    edges = list(zip(MAGNITUDES[:-1], MAGNITUDES[1:], strict=True))
    return [_in_bin(result, *bin_) for bin_ in [*edges, (MAGNITUDES[0], MAGNITUDES[-1])]]


def _in_bin(result: Search, low: float, high: float) -> Json:
    here = (result.mag_r >= low) & (result.mag_r < high)
    around = (result.field_mag_r >= low) & (result.field_mag_r < high)
    n_galaxies = int((around & result.field_galaxy).sum())
    n_stars = int((around & ~result.field_galaxy).sum())
    complete, mistaken = _share(result.galaxy_told[here]), _share(result.star_told[here])

    def purity(star_share: float | None) -> float | None:
        if star_share is None or not n_galaxies:
            return None
        called = complete["value"] * n_galaxies
        return float(called / (called + star_share * n_stars)) if called else None

    return {
        "r": [low, high],
        "n": int(here.sum()),
        "found": _share(result.galaxy_found[here]),
        "complete": complete,
        "star_called_galaxy": mistaken,
        "n_in_fields": {"galaxies": n_galaxies, "stars": n_stars},
        "purity": {
            "value": purity(mistaken["value"]),
            "low": purity(mistaken["high"]),
            "high": purity(mistaken["low"]),
        },
    }


def _share(held: Mask) -> Json:
    """Share of True with its exact 95 % interval; None without any."""
    if not len(held):
        return dict.fromkeys(("value", "low", "high"))
    test = binomtest(int(held.sum()), len(held))
    low, high = test.proportion_ci(0.95, method="exact")
    return {"value": float(held.mean()), "low": float(low), "high": float(high)}
