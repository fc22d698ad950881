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

from pix2z.controls.features import N_MAIN, measured_features
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.evaluation.arm_metrics import with_interval
from pix2z.evaluation.bootstrap import Resamples

__all__ = ["attenuation", "colour_cells", "slope_difference", "test_cells"]

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
    own; those that most training galaxies lack, such as ones of a band that was not observed, are
    left out.

    Parameters
    ----------
    training, colours : (m, C) and (n, C) dereddened colours in magnitudes, NaN where unknown.

    Returns
    -------
    cells : (n,) numbered from blue to red in the second colour that is used; -1 where one of them
        is unknown, for all where fewer than `n_cells` training galaxies have them.
    """
    cells = np.full(len(colours), -1)
    used = _known_colours(training)
    training, colours = training[:, used], colours[:, used]
    finite = training[np.isfinite(training).all(axis=1)]
    known = np.isfinite(colours).all(axis=1)
    if not (used.any() and known.any() and len(finite) >= n_cells):
        return cells
    low, centre, high = np.percentile(finite, [16, 50, 84], axis=0)

    def scaled(values: Array) -> Array:
        return np.asarray(np.clip((values - centre) / ((high - low) / 2), -3, 3))

    kmeans = KMeans(n_cells, n_init=4, random_state=seed).fit(scaled(finite))
    number = np.argsort(np.argsort(kmeans.cluster_centers_[:, :2][:, -1]))
    cells[known] = number[kmeans.predict(scaled(colours[known]))]
    return cells


def test_cells(
    galaxies: Galaxies, split: Split, *, n_cells: int, seed: int
) -> tuple[NDArray[np.int64], int]:
    """Sort the test galaxies (n,) into colour cells, fitted to unmoved training galaxies.

    The second value is the number of colours that are used, at most four.
    """
    unmoved = split.train[galaxies.column("moved", split.train) == 0]
    training, test = (
        measured_features(galaxies, rows)[:, : N_MAIN - 1] for rows in (unmoved, split.test)
    )
    cells = colour_cells(training, test, n_cells=n_cells, seed=seed)
    return cells, int(_known_colours(training).sum())


def _known_colours(training: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Tell which colours (C,) more than half of the training galaxies (m, C) have."""
    return np.asarray(np.isfinite(training).mean(axis=0) > 0.5)


def attenuation(z_phot: Array, z_spec: Array, cells: Cells, resamples: Resamples) -> Json:
    """Slopes within colour cells, each cell's and pooled over all, with 95 % intervals.

    Pooled, a slope is the sum of the cells' covariances over the sum of their variances.

    Parameters
    ----------
    z_phot, z_spec, cells : (n,); galaxies of cell -1 are left out, but not all are of it.
    resamples : of the galaxies' groups.
    """

    def sums(weights: Array) -> Array:
        return _sums(z_phot, z_spec, cells, weights)

    value, drawn = sums(np.ones((1, len(cells)))), resamples.replicates(sums)
    return {
        "pooled": _with_intervals(_slopes(value.sum(axis=1)), _slopes(drawn.sum(axis=1))),
        "cells": [
            {"n": n, "z_mean": float(z_spec[cells == cell].mean()) if n else None}
            | (
                _with_intervals(_slopes(value[:, cell]), _slopes(drawn[:, cell]))
                if n >= FEWEST_GALAXIES
                else {}
            )
            for cell, n in enumerate(np.bincount(cells[cells >= 0]).tolist())
        ],
    }


def slope_difference(
    z_phot: tuple[Array, Array], z_spec: Array, cells: Cells, resamples: Resamples
) -> Json:
    """Pooled slopes of the first estimator less those of the second, paired, with intervals."""

    def differences(weights: Array) -> Array:
        one, other = (_slopes(_sums(z, z_spec, cells, weights).sum(axis=1)) for z in z_phot)
        return one - other

    value = differences(np.ones((1, len(cells))))
    return _with_intervals(value, resamples.replicates(differences))


def _sums(z_phot: Array, z_spec: Array, cells: Cells, weights: Array) -> Array:
    """Sum squares about each cell's mean, (B, cells, 3): of z_spec, of both, of z_phot."""
    sums = []
    for cell in range(int(cells.max()) + 1):
        inside = cells == cell
        phot, spec, weight = z_phot[inside], z_spec[inside], weights[:, inside]
        terms = np.stack([np.ones_like(spec), spec, phot, spec**2, spec * phot, phot**2], axis=1)
        n, s, p, ss, sp, pp = (weight @ terms).T
        n = np.maximum(n, 1)  # of an empty cell all sums are 0
        sums.append(np.stack([ss - s**2 / n, sp - s * p / n, pp - p**2 / n], axis=1))
    return np.stack(sums, axis=1)


def _slopes(sums: Array) -> Array:
    """`SLOPES` (B, 2) of sums (B, 3); NaN where redshifts do not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        spec, both, phot = sums.T
        return np.stack([both / spec, both / phot], axis=1)


def _with_intervals(value: Array, replicates: Array) -> Json:
    """Both slopes, (1, 2), with intervals of replicates (B, 2)."""
    parts = zip(SLOPES, value[0], replicates.T, strict=True)
    return {name: with_interval(float(slope), drawn) for name, slope, drawn in parts}
