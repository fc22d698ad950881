"""The catalogue methods: each is fitted on training galaxies, its one free choice on validation.

No method sees a test galaxy before it is done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from pix2z.config.controls import ControlsConfig, SoftmaxMlp
from pix2z.controls.features import N_MAIN
from pix2z.redshift_pdf.calibration import fit_temperature
from pix2z.redshift_pdf.density import median, normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.residual import fit_residual_pdf, residual_density

__all__ = ["Estimate", "Method", "Sample", "fit_knn", "fit_softmax", "fit_trees", "trainz"]

SMOOTHING_DZ = 0.003
"""Width of the Gaussian target in redshift, that of the networks before they are tuned."""

CHUNK_ROWS = 512
"""Galaxies whose neighbours' kernels are in memory at a time."""

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
    chosen : what was chosen on validation galaxies.
    validation_mae : mean |z_phot - z_spec| there.
    """

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

    return Method({"n_neighbours": best}, errors[best], estimate)


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
    return Method({"rounds": n_rounds}, min(errors), estimate)


def fit_softmax(parts: Parts, settings: SoftmaxMlp, grid: RedshiftGrid) -> Method:
    """Train perceptrons with a softmax over the redshift bins, as the networks have; their mean.

    The pool has one temperature, fitted on calibration galaxies.
    """
    train, validation, calibration = (parts[n] for n in ("train", "validation", "calibration"))
    scaler = _scaler().fit(train.features)
    scaled = scaler.transform(train.features)
    members = [
        _softmax_member(scaled, train.z_spec, settings.epochs, grid, seed=seed)
        for seed in settings.seeds
    ]

    def pooled(features: Array) -> Array:
        inputs = scaler.transform(features)
        shares: Array = np.mean([member.predict_proba(inputs) for member in members], axis=0)
        return shares / grid.width

    temperature = fit_temperature(pooled(calibration.features), calibration.z_spec, grid=grid)

    def estimate(features: Array) -> tuple[Array, Array]:
        density = temperature.apply(pooled(features), grid)
        return density, median(density, grid)

    error = _mae(estimate(validation.features)[1], validation.z_spec)
    return Method({"epochs": settings.epochs}, error, estimate)


def _softmax_member(
    scaled: Array, z_spec: Array, epochs: int, grid: RedshiftGrid, *, seed: int
) -> MLPClassifier:
    """Train one perceptron; its weights are the mean of those after each of the last epochs.

    Such means do what a falling learning rate would (Izmailov et al. 2018, arXiv:1803.05407).
    scikit-learn takes a bin per galaxy and no shares of several, so every epoch draws the redshifts
    anew about the true ones: on average, that is the label smoothing of the networks.
    """
    rng = np.random.default_rng(seed)
    network = MLPClassifier(
        (256, 128), alpha=1e-3, batch_size=min(128, len(scaled)), random_state=seed
    )
    last, mean = max(epochs // 3, 1), None
    for epoch in range(epochs):
        z_drawn = np.clip(rng.normal(z_spec, SMOOTHING_DZ), grid.z_min, grid.z_max)
        network.partial_fit(scaled, grid.bin_index(z_drawn), classes=np.arange(grid.n_bins))
        weights = [*network.coefs_, *network.intercepts_]
        if (n := epoch - epochs + last + 1) > 0:
            mean = [(n - 1) / n * m + w / n for m, w in zip(mean or weights, weights, strict=True)]
    if mean is not None:
        n_layers = len(network.coefs_)
        network.coefs_, network.intercepts_ = mean[:n_layers], mean[n_layers:]
    return network


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


def _kernel_density(z_near: Array, grid: RedshiftGrid) -> Array:
    """PDF (n, K) of neighbours' redshifts (n, k), each a Gaussian of Silverman's (1986) width."""
    n, k = z_near.shape
    quarter, three_quarters = np.percentile(z_near, [25, 75], axis=1)
    spread = np.minimum(z_near.std(axis=1), (three_quarters - quarter) / 1.349)
    width = np.maximum(0.9 * spread * k**-0.2, grid.width / 2)
    mass = np.empty((n, grid.n_bins))
    for start in range(0, n, CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
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
