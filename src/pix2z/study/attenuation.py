"""Attenuation: how far photometric redshifts of galaxies of one colour shrink to their mean.

Moran et al. (2025, arXiv:2507.06299) found that estimators from integrated photometry pull galaxies
of one colour cell to the mean redshift of the cell, and that those from pixels hardly do: the main
reason, they say, why pixels win. Two slopes, by least squares within a cell, say two things:

``along_z_spec``, of z_phot on z_spec: 1 where every difference in redshift between galaxies of one
colour is seen, 0 where none is. The mean of a right posterior has a slope below 1 wherever
redshifts are not known exactly: it is the share of the variance of z_spec in the cell that is
explained. More information, and nothing else that is honest, raises it.

``along_z_phot``, of z_spec on z_phot: 1 where an estimate can be taken as it is, whatever its
error; below 1 the estimates of a cell spread too far, above 1 not far enough.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from pix2z.evaluation.arm_metrics import with_interval

__all__ = ["SLOPES", "attenuation", "colour_cells", "slope_difference"]

Array = NDArray[np.float64]
Cells = NDArray[np.int64]
Json = dict[str, Any]

FEWEST_GALAXIES = 30
"""Cells with fewer test galaxies have no slopes of their own; they count in the pooled ones."""

SLOPES = ("along_z_spec", "along_z_phot")


def colour_cells(
    training: NDArray[np.floating], colours: NDArray[np.floating], *, n_cells: int, seed: int
) -> Cells:
    """Sort galaxies into cells of k-means that are fitted to colours of training galaxies.

    Colours are taken in units of their spread, cut at 3, so that noisy ones make no cells of their
    own.

    Parameters
    ----------
    training, colours : (m, C) and (n, C) dereddened colours in magnitudes, NaN where unknown.

    Returns
    -------
    cells : (n,) numbered from blue to red in the second colour; -1 where a colour is unknown.
    """
    finite = training[np.isfinite(training).all(axis=1)]
    low, centre, high = np.percentile(finite, [16, 50, 84], axis=0)

    def scaled(values: Array) -> Array:
        return np.asarray(np.clip((values - centre) / ((high - low) / 2), -3, 3))

    kmeans = KMeans(n_cells, n_init=4, random_state=seed).fit(scaled(finite))
    number = np.argsort(np.argsort(kmeans.cluster_centers_[:, 1]))
    known = np.isfinite(colours).all(axis=1)
    cells = np.full(len(colours), -1)
    cells[known] = number[kmeans.predict(scaled(colours[known]))]
    return cells


def attenuation(z_phot: Array, z_spec: Array, cells: Cells, weights: Array) -> Json:
    """Slopes within colour cells, each cell's and pooled over all, with 95 % intervals.

    Pooled, a slope is the sum of the cells' covariances over the sum of their variances.

    Parameters
    ----------
    z_phot, z_spec, cells : (n,); galaxies of cell -1 are left out.
    weights : (B, n) of resamples.
    """
    value, drawn = (_sums(z_phot, z_spec, cells, w) for w in (np.ones((1, len(cells))), weights))
    return {
        "pooled": _with_intervals(value.sum(axis=0), drawn.sum(axis=0)),
        "cells": [
            {"n": n, "z_mean": float(z_spec[cells == cell].mean()) if n else None}
            | (_with_intervals(value[cell], drawn[cell]) if n >= FEWEST_GALAXIES else {})
            for cell, n in enumerate(np.bincount(cells[cells >= 0]).tolist())
        ],
    }


def slope_difference(
    z_phot: tuple[Array, Array], z_spec: Array, cells: Cells, weights: Array
) -> Json:
    """Pooled slopes of the first estimator less those of the second, paired, with intervals."""
    ones = np.ones((1, len(cells)))
    value, drawn = (
        [_slopes(_sums(z, z_spec, cells, w).sum(axis=0)) for z in z_phot] for w in (ones, weights)
    )
    return {
        name: with_interval(
            float(value[0][name][0] - value[1][name][0]), drawn[0][name] - drawn[1][name]
        )
        for name in SLOPES
    }


def _sums(z_phot: Array, z_spec: Array, cells: Cells, weights: Array) -> Array:
    """Sum squares about each cell's mean, (cells, B, 3): of z_spec, of both, of z_phot."""
    sums = []
    for cell in range(int(cells.max()) + 1):
        inside = cells == cell
        phot, spec, weight = z_phot[inside], z_spec[inside], weights[:, inside]
        terms = np.stack([np.ones_like(spec), spec, phot, spec**2, spec * phot, phot**2], axis=1)
        n, s, p, ss, sp, pp = (weight @ terms).T
        n = np.maximum(n, 1)  # of an empty cell all sums are 0
        sums.append(np.stack([ss - s**2 / n, sp - s * p / n, pp - p**2 / n], axis=1))
    return np.stack(sums)


def _slopes(sums: Array) -> dict[str, Array]:
    """Both slopes (B,) of sums (B, 3); NaN where redshifts do not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        spec, both, phot = sums.T
        return {"along_z_spec": both / spec, "along_z_phot": both / phot}


def _with_intervals(value: Array, drawn: Array) -> Json:
    slopes, replicates = _slopes(value), _slopes(drawn)
    return {name: with_interval(float(slopes[name][0]), replicates[name]) for name in SLOPES}
