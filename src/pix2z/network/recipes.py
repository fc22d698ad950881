"""How each architecture is trained: model, batches, loss, schedule, from galaxies and a split."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pix2z.config.networks import HybridConfig, PublishedCnnConfig
from pix2z.dataset.batches import sequential_batches, training_batches
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.network.architectures import build_published_cnn, hybrid_model, photometry_model
from pix2z.network.backend import keras
from pix2z.network.training import Batch, Recipe, TrainingState, cosine_rate, fit
from pix2z.redshift_pdf.density import density_at
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "Moments",
    "augmented_batches",
    "feature_moments",
    "fit_hybrid_trial",
    "hybrid_recipe",
    "output_batches",
    "published_recipe",
    "raw_outputs",
    "uncalibrated",
]

INFERENCE_BATCH = 1024

Moments = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Mean and sd of the photometry features, each (F,)."""


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


def hybrid_recipe(
    galaxies: Galaxies,
    split: Split,
    *,
    grid: RedshiftGrid,
    settings: HybridConfig,
    moments: Moments,
    seed: int,
) -> Recipe:
    """Cross-entropy against a narrow Gaussian in redshift; AdamW under a cosine schedule.

    `moments` are those of the training rows, see `feature_moments`.
    """
    keras.utils.set_random_seed(seed)
    model = hybrid_model(settings, grid=grid)
    model.get_layer("standardise").set_weights(list(moments))
    model.compile(
        keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    z_spec = galaxies.column("specz_redshift").astype(np.float64)

    def targets(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return _smooth_targets(z_spec[rows], grid, width=settings.label_smoothing_dz)

    def validation_loss(model: keras.Model) -> float:
        shares = [
            density_at(uncalibrated(logits, grid), grid, z_spec[rows]) * grid.width
            for logits, rows in output_batches(model, galaxies, split.validation)
        ]
        # cross-entropy, as in training
        return -float(np.log(np.maximum(np.concatenate(shares), 1e-12)).mean())

    return Recipe(
        model=model,
        batches=augmented_batches(
            galaxies,
            split.train,
            targets,
            settings=settings,
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
) -> tuple[Recipe, tuple[float, float]]:
    """Follow the published recipe: MSE on min-max scaled z, Adam; also return (z_low, z_high).

    The network's output is a redshift, so its squared error is divided by (z_high - z_low)**2:
    exactly the published loss.
    """
    keras.utils.set_random_seed(seed)
    z_spec = galaxies.column("specz_redshift").astype(np.float64)
    z_low, z_high = float(z_spec[split.train].min()), float(z_spec[split.train].max())
    model = build_published_cnn(z_low=z_low, z_high=z_high, precision=settings.precision)
    scale = 1.0 / (z_high - z_low) ** 2
    model.compile(
        keras.optimizers.Adam(),
        loss=lambda truth, output: scale * keras.ops.square(output - truth),
    )
    rate = float(model.optimizer.learning_rate)
    clipped = split.selection == "clipped"
    batch_size = settings.batch_size_clipped if clipped else settings.batch_size
    ebv = galaxies.column("ebv")

    def batches(epoch: int) -> Iterator[Batch]:
        for images, rows in training_batches(
            galaxies,
            split.train,
            batch_size=batch_size,
            seed=seed,
            epoch=epoch,
            augment=False,
        ):
            yield {"images": images, "ebv": ebv[rows]}, z_spec[rows].astype(np.float32)

    def validation_loss(model: keras.Model) -> float:
        batches = output_batches(model, galaxies, split.validation)
        z_phot = np.concatenate([outputs for outputs, _ in batches])
        return scale * float(np.mean((z_phot - z_spec[split.validation]) ** 2))

    recipe = Recipe(
        model=model,
        batches=batches,
        validation_loss=validation_loss,
        learning_rate=lambda _epoch: rate,
        epochs=settings.epochs,
        patience=settings.patience,
        seed=seed,
    )
    return recipe, (z_low, z_high)


def augmented_batches(
    galaxies: Galaxies,
    train_rows: NDArray[np.int64],
    targets: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    *,
    settings: HybridConfig,
    batch_size: int,
    seed: int,
) -> Callable[[int], Iterator[Batch]]:
    """Return epoch -> its batches: stamps turned and mirrored, a band or E(B-V) masked in some.

    Parameters
    ----------
    targets : rows (n,) -> what the network is to say of them, (n, ...).
    """
    ebv = galaxies.column("ebv")

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch, 1])
        for images, rows in training_batches(
            galaxies,
            train_rows,
            batch_size=batch_size,
            seed=seed,
            epoch=epoch,
            augment=settings.augment,
        ):
            batch_ebv = ebv[rows]
            _drop_bands(images, batch_ebv, probability=settings.band_dropout, rng=rng)
            if settings.subset_dropout:
                _keep_subsets(images, probability=settings.subset_dropout, rng=rng)
            yield {"images": images, "ebv": batch_ebv}, targets(rows)

    return batches


def fit_hybrid_trial(
    galaxies: Galaxies,
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
    recipe = hybrid_recipe(
        galaxies, split, grid=grid, settings=settings, moments=moments, seed=seed
    )

    def report(state: TrainingState) -> None:
        on_epoch(state.epoch - 1, state.history[-1]["val_loss"])

    fit(recipe, on_epoch=report)


def feature_moments(galaxies: Galaxies, rows: NDArray[Any]) -> Moments:
    """Mean and sd of the photometry features over rows, masked ones left out, each (F,)."""
    front = photometry_model()
    count, total, square = 0.0, 0.0, 0.0
    for images, batch_rows in sequential_batches(galaxies, rows, batch_size=INFERENCE_BATCH):
        inputs = {"images": images, "ebv": galaxies.column("ebv", batch_rows)}
        features, mask = (np.asarray(x, np.float64) for x in front.predict_on_batch(inputs))
        count = count + mask.sum(axis=0)
        total = total + features.sum(axis=0)
        square = square + (features**2).sum(axis=0)
    mean = total / np.maximum(count, 1)
    variance = np.maximum(square / np.maximum(count, 1) - mean**2, 0.0)
    sd = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
    return np.asarray(mean, np.float32), np.asarray(sd, np.float32)


def _drop_bands(
    images: NDArray[Any], ebv: NDArray[Any], *, probability: float, rng: np.random.Generator
) -> None:
    """Mask one random band, and E(B-V), each in a random share of the stamps, in place."""
    n = len(images)
    band = rng.integers(0, images.shape[-1], n)
    hit = np.flatnonzero(rng.random(n) < probability)
    images[hit, :, :, band[hit]] = np.nan
    ebv[rng.random(n) < probability] = np.nan


def _keep_subsets(images: NDArray[Any], *, probability: float, rng: np.random.Generator) -> None:
    """Mask each band with probability 1/2, in a random share of the stamps, in place."""
    n, n_bands = len(images), images.shape[-1]
    hit = rng.random(n) < probability
    stamp, band = np.nonzero(hit[:, None] & (rng.random((n, n_bands)) < 0.5))
    images[stamp, :, :, band] = np.nan


def _smooth_targets(z: NDArray[Any], grid: RedshiftGrid, *, width: float) -> NDArray[np.float32]:
    """Share of a Gaussian around each z in every bin, (N, K); width 0: one-hot."""
    if width == 0:
        return np.eye(grid.n_bins, dtype=np.float32)[grid.bin_index(z)]
    cdf = ndtr((grid.edges[None, :] - z[:, None]) / width)
    share = np.diff(cdf, axis=1)
    return np.asarray(share / share.sum(axis=1, keepdims=True), np.float32)
