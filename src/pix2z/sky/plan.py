"""Which stamps are rendered: one unmoved per parent, and moved ones of training parents."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.partition import PARTS, partition
from pix2z.sky.cosmology import distance_modulus, volume_per_redshift
from pix2z.sky.parents import Z_RANGE, Parents
from pix2z.sky.templates import template_flux

__all__ = ["MAX_COPIES", "StampPlan", "flux_at", "moved_redshift", "plan_stamps"]

MAX_COPIES = 9
"""Moved stamps per parent, at most: object ids are 10 * parent + copy."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StampPlan:
    """`row` (N,) in the parents, `copy` (N,): 0 the unmoved stamp, 1 to 9 moved ones."""

    row: NDArray[np.int64]
    copy: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the stamps."""
        return len(self.row)


def plan_stamps(
    parent: NDArray[np.int64],
    *,
    n_parents: int,
    n_stamps: int,
    seed: int,
    split_seed: int,
    fractions: Mapping[str, float],
) -> StampPlan:
    """Choose parents and copies; unmoved stamps first, in catalogue order, then moved ones.

    Another n_stamps only adds or takes moved stamps at the end.

    Parameters
    ----------
    parent : (P,) catalogue rows, the group ids that `partition` sees.
    n_parents : parents used, at most; a random subset that grows with it.
    """
    order = np.random.default_rng([seed, 0]).permutation(len(parent))[:n_parents]
    part = partition(parent[order], seed=split_seed, fractions=fractions)
    training = order[part == PARTS.index("train")]
    n_moved = n_stamps - len(order)
    if not 0 <= n_moved <= MAX_COPIES * len(training):
        raise InputError(
            f"sky.n_stamps: expected {len(order)} (one per parent) to "
            f"{len(order) + MAX_COPIES * len(training)} ({MAX_COPIES} moved per training parent); "
            f"got {n_stamps}"
        )
    moved = np.arange(n_moved)
    return StampPlan(
        row=np.concatenate([np.sort(order), training[moved % max(len(training), 1)]]),
        copy=np.concatenate([np.zeros(len(order), np.int64), moved // max(len(training), 1) + 1]),
    )


def moved_redshift(
    parents: Parents, *, rows: NDArray[np.int64], uniform: Array, max_shift: float
) -> Array:
    """Redshifts (N,) near the parents' own, by the volume a survey would see them in.

    The density of z' is dV/dz within `max_shift` and `Z_RANGE`, where the K-corrected galaxy is
    still brighter than the parents' limit (dereddened Petrosian r): drawn by its inverse
    distribution, constant within cells of a sixtieth of the range. A parent with no room stays
    where it is.
    """
    edges = np.linspace(-max_shift, max_shift, 61)
    own = parents.z[rows]
    seen = np.stack([_is_seen(parents, rows=rows, z=own + step) for step in edges], axis=1)
    middle = np.maximum(own[:, None] + (edges[1:] + edges[:-1]) / 2, 0.0)
    density = np.where(seen[:, 1:] & seen[:, :-1], volume_per_redshift(middle), 0.0)
    cumulative = np.cumsum(density, axis=1)
    target = uniform * cumulative[:, -1]
    cell = np.minimum((cumulative <= target[:, None]).sum(axis=1), len(edges) - 2)
    each = np.arange(len(rows))
    above = cumulative[each, cell] - target
    shift = edges[cell + 1] - (edges[1] - edges[0]) * np.divide(
        above, density[each, cell], out=np.zeros(len(rows)), where=density[each, cell] > 0
    )
    result: Array = own + np.where(cumulative[:, -1] > 0, shift, 0.0)
    return result


def _is_seen(parents: Parents, *, rows: NDArray[np.int64], z: Array) -> NDArray[np.bool_]:
    """Whether parents at redshift `z` are inside `Z_RANGE` and brighter than the limit."""
    inside = (z > Z_RANGE[0]) & (z < Z_RANGE[1])
    flux_r = flux_at(parents, rows=rows, z=np.clip(z, *Z_RANGE))[:, 2]
    petro_r = parents.petro_r[rows] - 2.5 * np.log10(flux_r / parents.flux[rows, 2])
    result: NDArray[np.bool_] = inside & (petro_r <= parents.faint_limit)
    return result


def flux_at(parents: Parents, *, rows: NDArray[np.int64], z: Array) -> Array:
    """Dereddened fluxes (N, 5) in nanomaggies of parents seen at redshift `z`."""
    unit = template_flux(parents.templates, z=z, coefficients=parents.coefficients[rows])
    dimming = distance_modulus(z) - distance_modulus(parents.z[rows])
    result: Array = unit * 10 ** (-0.4 * dimming)[:, None]
    return result
