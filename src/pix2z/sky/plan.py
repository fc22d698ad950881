"""Which stamps are rendered: one unmoved per parent, and moved ones of training parents."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.partition import PARTS, partition
from pix2z.sky.cosmology import distance_modulus, volume_per_redshift
from pix2z.sky.parents import Z_RANGE, Parents
from pix2z.sky.templates import TemplateGrid, template_flux

__all__ = ["MAX_COPIES", "StampPlan", "moved_redshift", "plan_stamps"]

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
    parents: Parents,
    grid: TemplateGrid,
    *,
    rows: NDArray[np.int64],
    uniform: Array,
    max_shift: float,
    faint_limit: float,
) -> Array:
    """Redshifts (N,) near the parents' own, by the volume a survey would see them in.

    The density of z' is dV/dz within `max_shift` and `Z_RANGE`, where the K-corrected galaxy is
    still brighter than `faint_limit` (dereddened Petrosian r); drawn by its inverse distribution.
    """
    steps = np.linspace(-max_shift, max_shift, 61)
    z = parents.z[rows, None] + steps
    inside = (z > Z_RANGE[0]) & (z < Z_RANGE[1])
    z = np.clip(z, *Z_RANGE)
    density = np.where(inside, volume_per_redshift(z), 0.0)
    own = parents.flux[rows, 2]
    for column in range(len(steps)):
        flux = flux_at(parents, grid, rows=rows, z=z[:, column])[:, 2]
        petro_r = parents.petro_r[rows] - 2.5 * np.log10(flux / own)
        density[:, column] *= petro_r <= faint_limit
    density[:, len(steps) // 2] = np.maximum(density[:, len(steps) // 2], 1e-300)
    cumulative = np.cumsum(density, axis=1)
    target = uniform * cumulative[:, -1]
    column = np.minimum((cumulative < target[:, None]).sum(axis=1), len(steps) - 1)
    below = cumulative[np.arange(len(rows)), column] - density[np.arange(len(rows)), column]
    within = (target - below) / density[np.arange(len(rows)), column] - 0.5
    drawn = parents.z[rows] + steps[column] + within * (steps[1] - steps[0])
    result: Array = np.clip(drawn, *Z_RANGE)
    return result


def flux_at(parents: Parents, grid: TemplateGrid, *, rows: NDArray[np.int64], z: Array) -> Array:
    """Dereddened fluxes (N, 5) in nanomaggies of parents seen at redshift `z`."""
    unit = template_flux(grid, z=z, coefficients=parents.coefficients[rows])
    dimming = distance_modulus(z) - distance_modulus(parents.z[rows])
    result: Array = unit * 10 ** (-0.4 * dimming)[:, None]
    return result
