"""How each architecture is trained: model, batches, loss, schedule, from galaxies and a split."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pix2z.config.networks import HybridConfig, PublishedCnnConfig, SoftmaxConfig
from pix2z.dataset.batches import Arrays, Read, sequential_batches, training_batches
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.imaging import BANDS
from pix2z.network.architectures import build_published_cnn, photometry_model, softmax_model
from pix2z.network.backend import keras
from pix2z.network.measured import MeasuredGalaxies
from pix2z.network.training import Batch, Recipe, TrainingState, cosine_rate, fit
from pix2z.redshift_pdf.density import density_at
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "Moments",
    "Targets",
    "augmented_batches",
    "feature_moments",
    "fit_hybrid_trial",
    "output_batches",
    "published_recipe",
    "raw_outputs",
    "redshift_range",
    "smooth_targets",
    "softmax_recipe",
    "stamps_of",
    "trainable_model",
    "uncalibrated",
]

INFERENCE_BATCH = 1024

Moments = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Mean and sd of the photometry features, each (F,)."""

Targets = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Rows (n,) -> the share of each redshift bin that a network is to give them, (n, K)."""


def output_batches(
    model: keras.Model,
    galaxies: Galaxies,
    rows: NDArray[Any],
    *,
    batch_size: int = INFERENCE_BATCH,
) -> Iterator[tuple[Any, NDArray[np.int64]]]:
    """Run the model on the given rows, in order; yield (outputs, rows) batch by batch."""
    for images, batch_rows in sequential_batches(galaxies, rows, batch_size=batch_size):
        inputs = {"images": images, "ebv": galaxies.column("ebv", batch_rows)}
        yield model.predict_on_batch(inputs), batch_rows


def raw_outputs(
    model: keras.Model, galaxies: Galaxies, rows: NDArray[Any], *, grid: RedshiftGrid
) -> NDArray[np.float64]:
    """Uncalibrated outputs for the given rows, in order: PDFs (n, K) of a hybrid, all held."""
    batches = output_batches(model, galaxies, rows)
    return np.concatenate([uncalibrated(outputs, grid) for outputs, _ in batches])


def uncalibrated(output: NDArray[Any], grid: RedshiftGrid) -> NDArray[np.float64]:
    """Turn logits (n, K) into density per unit redshift (n, K); redshifts (n,) are returned."""
    if output.ndim == 1:
        return output.astype(np.float64)
    shifted = np.exp(output.astype(np.float64) - output.max(axis=1, keepdims=True))
    density: NDArray[np.float64] = shifted / (shifted.sum(axis=1, keepdims=True) * grid.width)
    return density


def trainable_model(settings: SoftmaxConfig, *, grid: RedshiftGrid) -> keras.Model:
    """Build and compile a network that `softmax_recipe` trains, for one seed after the other."""
    model = softmax_model(settings, grid=grid, of_measurements=True)
    model.compile(
        keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    return model


def softmax_recipe(
    measured: MeasuredGalaxies,
    split: Split,
    *,
    grid: RedshiftGrid,
    settings: SoftmaxConfig,
    moments: Moments,
    seed: int,
    targets: Targets | None = None,
    model: keras.Model | None = None,
) -> Recipe:
    """Cross-entropy against a narrow Gaussian in redshift; AdamW under a cosine schedule.

    The recipe's model takes measurements in the place of images; its weights are those of
    `softmax_model`. `moments` are those of the training rows, see `feature_moments`.

    Parameters
    ----------
    targets : of training and validation rows, in the place of their redshifts.
    model : one of `trainable_model` that is in no other recipe any more: whatever it was trained to
        before, it begins anew, without the seconds in which TensorFlow traces it.
    """
    model = model or trainable_model(settings, grid=grid)
    keras.utils.set_random_seed(seed)
    fresh = softmax_model(settings, grid=grid, of_measurements=True)
    fresh.get_layer("standardise").set_weights(list(moments))
    model.set_weights(fresh.get_weights())
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    z_spec = measured.galaxies.column("specz_redshift").astype(np.float64)

    def of_redshifts(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return smooth_targets(z_spec[rows], grid, width=settings.label_smoothing_dz)

    def validation_loss(model: keras.Model) -> float:
        losses = []
        for start in range(0, len(split.validation), INFERENCE_BATCH):
            rows = split.validation[start : start + INFERENCE_BATCH]
            density = uncalibrated(model.predict_on_batch(measured.read(rows)), grid)
            if targets is None:
                share = density_at(density, grid, z_spec[rows]) * grid.width
                losses.append(-np.log(np.maximum(share, 1e-12)))
            else:
                shares = np.log(np.maximum(density * grid.width, 1e-12))
                losses.append(-(targets(rows) * shares).sum(axis=1))
        return float(np.concatenate(losses).mean())  # cross-entropy, as in training

    return Recipe(
        model=model,
        batches=augmented_batches(
            measured.read,
            split.train,
            targets or of_redshifts,
            augment=isinstance(settings, HybridConfig) and settings.augment,
            band_dropout=settings.band_dropout,
            subset_dropout=settings.subset_dropout,
            batch_size=settings.batch_size,
            seed=seed,
        ),
        validation_loss=validation_loss,
        learning_rate=cosine_rate(settings.learning_rate, epochs=settings.epochs),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=seed,
    )


def published_recipe(
    galaxies: Galaxies, split: Split, *, settings: PublishedCnnConfig, seed: int
) -> Recipe:
    """Follow the published recipe: MSE on min-max scaled z, Adam.

    The network's output is a redshift, so its squared error is divided by (z_high - z_low)**2:
    exactly the published loss.
    """
    keras.utils.set_random_seed(seed)
    z_spec = galaxies.column("specz_redshift").astype(np.float64)
    z_low, z_high = redshift_range(galaxies, split)
    model = build_published_cnn(z_low=z_low, z_high=z_high, precision=settings.precision)
    scale = 1.0 / (z_high - z_low) ** 2
    model.compile(
        keras.optimizers.Adam(),
        loss=lambda truth, output: scale * keras.ops.square(output - truth),
    )
    rate = float(model.optimizer.learning_rate)
    clipped = split.selection == "clipped"
    batch_size = settings.batch_size_clipped if clipped else settings.batch_size

    def batches(epoch: int) -> Iterator[Batch]:
        for arrays, rows in training_batches(
            stamps_of(galaxies),
            split.train,
            batch_size=batch_size,
            seed=seed,
            epoch=epoch,
            augment=False,
        ):
            yield arrays, z_spec[rows].astype(np.float32)

    def validation_loss(model: keras.Model) -> float:
        batches = output_batches(model, galaxies, split.validation)
        z_phot = np.concatenate([outputs for outputs, _ in batches])
        return scale * float(np.mean((z_phot - z_spec[split.validation]) ** 2))

    return Recipe(
        model=model,
        batches=batches,
        validation_loss=validation_loss,
        learning_rate=lambda _epoch: rate,
        epochs=settings.epochs,
        patience=settings.patience,
        seed=seed,
    )


def redshift_range(galaxies: Galaxies, split: Split) -> tuple[float, float]:
    """Return the lowest and the highest redshift of training galaxies."""
    z_spec = galaxies.column("specz_redshift", split.train).astype(np.float64)
    return float(z_spec.min()), float(z_spec.max())


def stamps_of(galaxies: Galaxies) -> Read:
    """Return what reads images and E(B-V) of rows."""
    return lambda rows: {"images": galaxies.images(rows), "ebv": galaxies.column("ebv", rows)}


def augmented_batches(
    read: Read,
    train_rows: NDArray[np.int64],
    targets: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    *,
    augment: bool,
    band_dropout: float,
    subset_dropout: float = 0.0,
    batch_size: int,
    seed: int,
) -> Callable[[int], Iterator[Batch]]:
    """Return epoch -> its batches: stamps turned and mirrored, a band or E(B-V) masked in some.

    Parameters
    ----------
    read : rows (n,) -> E(B-V), "ebv", and arrays whose last axis is that of the bands.
    targets : rows (n,) -> what the network is to say of them, (n, ...).
    band_dropout : probability that a band, and that E(B-V), is masked.
    subset_dropout : probability that each band is masked with probability 1/2.
    """

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch, 1])
        for arrays, rows in training_batches(
            read, train_rows, batch_size=batch_size, seed=seed, epoch=epoch, augment=augment
        ):
            _drop_bands(arrays, probability=band_dropout, rng=rng)
            if subset_dropout:
                _keep_subsets(arrays, probability=subset_dropout, rng=rng)
            yield arrays, targets(rows)

    return batches


def fit_hybrid_trial(
    measured: MeasuredGalaxies,
    split: Split,
    *,
    grid: RedshiftGrid,
    hybrid: HybridConfig,
    moments: Moments,
    epochs: int,
    seed: int,
    on_epoch: Callable[[int, float], None],
) -> None:
    """Train a hybrid briefly; `on_epoch(epoch, val_loss)` is told all, and may raise."""
    settings = hybrid.model_copy(update={"epochs": epochs, "patience": epochs})
    recipe = softmax_recipe(
        measured, split, grid=grid, settings=settings, moments=moments, seed=seed
    )

    def report(state: TrainingState) -> None:
        on_epoch(state.epoch - 1, state.history[-1]["val_loss"])

    fit(recipe, on_epoch=report)


def feature_moments(
    measured: MeasuredGalaxies, rows: NDArray[Any], settings: SoftmaxConfig
) -> Moments:
    """Mean and sd of the photometry features over rows, masked ones left out, each (F,)."""
    photometry = photometry_model(settings)
    count, total, square = 0.0, 0.0, 0.0
    for start in range(0, len(rows), INFERENCE_BATCH):
        inputs = measured.read(rows[start : start + INFERENCE_BATCH])
        features, mask = (np.asarray(x, np.float64) for x in photometry.predict_on_batch(inputs))
        count = count + mask.sum(axis=0)
        total = total + features.sum(axis=0)
        square = square + (features**2).sum(axis=0)
    mean = total / np.maximum(count, 1)
    variance = np.maximum(square / np.maximum(count, 1) - mean**2, 0.0)
    sd = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
    return np.asarray(mean, np.float32), np.asarray(sd, np.float32)


def _drop_bands(arrays: Arrays, *, probability: float, rng: np.random.Generator) -> None:
    """Mask one random band, and E(B-V), each in a random share of the galaxies, in place."""
    n = len(arrays["ebv"])
    band = rng.integers(0, len(BANDS), n)
    hit = np.flatnonzero(rng.random(n) < probability)
    for name, values in arrays.items():
        if name != "ebv":
            values[hit, ..., band[hit]] = np.nan
    arrays["ebv"][rng.random(n) < probability] = np.nan


def _keep_subsets(arrays: Arrays, *, probability: float, rng: np.random.Generator) -> None:
    """Mask each band with probability 1/2, in a random share of the galaxies, in place."""
    n = len(arrays["ebv"])
    hit = rng.random(n) < probability
    galaxy, band = np.nonzero(hit[:, None] & (rng.random((n, len(BANDS))) < 0.5))
    for name, values in arrays.items():
        if name != "ebv":
            values[galaxy, ..., band] = np.nan


def smooth_targets(z: NDArray[Any], grid: RedshiftGrid, *, width: float) -> NDArray[np.float32]:
    """Share of a Gaussian around each z (N,) in every bin, (N, K); width 0: one-hot."""
    if width == 0:
        return np.eye(grid.n_bins, dtype=np.float32)[grid.bin_index(z)]
    cdf = ndtr((grid.edges[None, :] - z[:, None]) / width)
    share = np.diff(cdf, axis=1)
    return np.asarray(share / share.sum(axis=1, keepdims=True), np.float32)
