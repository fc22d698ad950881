"""The catalogue methods: each is fitted on training galaxies, its one free choice on validation.

No method sees a test galaxy before it is done.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from pix2z.config.controls import ControlsConfig
from pix2z.controls.features import N_MAIN
from pix2z.redshift_pdf.density import median, normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.residual import fit_residual_pdf, residual_density

__all__ = [
    "METHODS",
    "Estimate",
    "Method",
    "Sample",
    "trainz",
]

Array = NDArray[np.floating]
Estimate = Callable[[Array], tuple[Array, Array]]
"""Features (n, F) -> density (n, K) per unit redshift, and z_phot (n,)."""


@dataclass(frozen=True)
class Sample:
    """Galaxies of one part: features (n, F), NaN where unknown, and z_spec (n,)."""

    features: Array
    z_spec: Array


Parts = Mapping[str, Sample]
"""Galaxies of train, validation and calibration."""


@dataclass(frozen=True)
class Method:
    """A fitted method.

    Attributes
    ----------
    name : of the method.
    chosen : what was chosen on validation galaxies.
    validation_mae : mean |z_phot - z_spec| there.
    """

    name: str
    chosen: Mapping[str, int]
    validation_mae: float
    estimate: Estimate


def trainz(z_train: Array, grid: RedshiftGrid) -> Estimate:
    """Repeat the histogram of training redshifts for every galaxy, whatever its features.

    It is an n(z) only where `z_train` is as the sky has it: without moved stamps.
    """
    counts = np.bincount(grid.bin_index(z_train), minlength=grid.n_bins).astype(np.float64)
    once = normalise(counts[None, :], grid)
    z_phot = median(once, grid)

    def estimate(features: Array) -> tuple[Array, Array]:
        return np.repeat(once, len(features), axis=0), np.repeat(z_phot, len(features))

    return estimate


def fit_knn(parts: Parts, config: ControlsConfig, grid: RedshiftGrid) -> Method:
    """Find nearest neighbours in the main features, standardised; `n_neighbours` are tried.

    The PDF is a Gaussian kernel on each neighbour's redshift, z_phot its median.
    """
    train, validation = parts["train"], parts["validation"]
    scaler = _scaler().fit(train.features[:, :N_MAIN])
    scaled = scaler.transform(train.features[:, :N_MAIN])
    most = min(max(config.n_neighbours), len(scaled))
    search = NearestNeighbors(n_neighbors=most).fit(scaled)

    def neighbours(features: Array) -> Array:
        scaled = scaler.transform(features[:, :N_MAIN])
        nearest: Array = train.z_spec[search.kneighbors(scaled)[1]]
        return nearest

    z_near = neighbours(validation.features)
    errors = {
        k: _mae(median(_kernel_density(z_near[:, :k], grid), grid), validation.z_spec)
        for k in config.n_neighbours
    }
    best = min(errors, key=lambda k: errors[k])

    def estimate(features: Array) -> tuple[Array, Array]:
        density = _kernel_density(neighbours(features)[:, :best], grid)
        return density, median(density, grid)

    return Method("knn", {"n_neighbours": best}, errors[best], estimate)


def fit_trees(parts: Parts, config: ControlsConfig, grid: RedshiftGrid) -> Method:
    """Gradient-boosted trees; the number of rounds is the best on validation galaxies.

    The PDF is that of the residuals of calibration galaxies.
    """
    train, validation = parts["train"], parts["validation"]
    trees = HistGradientBoostingRegressor(
        learning_rate=0.05,
        max_iter=config.tree_iterations,
        max_leaf_nodes=31,
        min_samples_leaf=20,
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        random_state=config.seed,
    ).fit(train.features, train.z_spec)
    errors = [_mae(z, validation.z_spec) for z in trees.staged_predict(validation.features)]
    n_rounds = int(np.argmin(errors)) + 1

    def predict(features: Array) -> Array:
        stages = trees.staged_predict(features)
        z_phot: Array = next(z for stage, z in enumerate(stages, 1) if stage == n_rounds)
        return z_phot

    estimate = _with_residual_pdf(predict, parts["calibration"], config, grid)
    return Method("trees", {"rounds": n_rounds}, min(errors), estimate)


def fit_mlp(parts: Parts, config: ControlsConfig, grid: RedshiftGrid) -> Method:
    """Train a perceptron with two hidden layers of 64 up to its best epoch on validation galaxies.

    The PDF is that of the residuals of calibration galaxies.
    """
    train, validation = parts["train"], parts["validation"]
    scaler = _scaler().fit(train.features)
    scaled, scaled_validation = (scaler.transform(part.features) for part in (train, validation))
    centre, spread = float(train.z_spec.mean()), float(train.z_spec.std())
    network = MLPRegressor(
        hidden_layer_sizes=(64, 64),
        batch_size=min(128, len(scaled)),
        learning_rate_init=1e-3,
        random_state=config.seed,
    )
    best_error, best_epoch, best = np.inf, 0, network
    for epoch in range(1, config.mlp_epochs + 1):
        network.partial_fit(scaled, (train.z_spec - centre) / spread)
        error = _mae(network.predict(scaled_validation) * spread + centre, validation.z_spec)
        if error < best_error:
            best_error, best_epoch, best = error, epoch, copy.deepcopy(network)

    def predict(features: Array) -> Array:
        z_phot: Array = best.predict(scaler.transform(features)) * spread + centre
        return z_phot

    estimate = _with_residual_pdf(predict, parts["calibration"], config, grid)
    return Method("mlp", {"epochs": best_epoch}, best_error, estimate)


METHODS: Mapping[str, Callable[[Parts, ControlsConfig, RedshiftGrid], Method]] = {
    "knn": fit_knn,
    "trees": fit_trees,
    "mlp": fit_mlp,
}
"""Every method that is fitted, by its name."""


def _with_residual_pdf(
    predict: Callable[[Array], Array],
    calibration: Sample,
    config: ControlsConfig,
    grid: RedshiftGrid,
) -> Estimate:
    model = fit_residual_pdf(
        predict(calibration.features),
        calibration.z_spec,
        grid=grid,
        n_phot_bins=config.n_phot_bins,
    )

    def estimate(features: Array) -> tuple[Array, Array]:
        z_phot = predict(features)
        return residual_density(model, z_phot), z_phot

    return estimate


def _kernel_density(z_near: Array, grid: RedshiftGrid, chunk_rows: int = 512) -> Array:
    """PDF (n, K) of neighbours' redshifts (n, k), each a Gaussian of Silverman's (1986) width."""
    n, k = z_near.shape
    quarter, three_quarters = np.percentile(z_near, [25, 75], axis=1)
    spread = np.minimum(z_near.std(axis=1), (three_quarters - quarter) / 1.349)
    width = np.maximum(0.9 * spread * k**-0.2, grid.width / 2)
    mass = np.empty((n, grid.n_bins))
    for start in range(0, n, chunk_rows):
        part = slice(start, start + chunk_rows)
        offset = grid.edges[None, None, :] - z_near[part, :, None]
        cdf = ndtr(offset / width[part, None, None]).mean(axis=1)
        mass[part] = np.diff(cdf, axis=1)
    return normalise(mass, grid)


def _scaler() -> Pipeline:
    """Standardised features; an unknown one is the training median."""
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )


def _mae(z_phot: Array, z_spec: Array) -> float:
    return float(np.mean(np.abs(z_phot - z_spec)))
