"""How a spectrum network is trained: what it starts from, batches, loss, schedule."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy.special import ndtr

from pix2z.config.networks import HybridConfig
from pix2z.config.spectrum import SpectrumConfig
from pix2z.dataset.batches import sequential_batches, training_batches
from pix2z.dataset.spectra import Spectra
from pix2z.dataset.store import Galaxies
from pix2z.network.recipes import Moments, Recipe, drop_bands
from pix2z.network.spectrum_architectures import (
    ShiftGrid,
    build_physics,
    build_plain,
    training_model,
)
from pix2z.network.training import Batch, cosine_rate

__all__ = [
    "INFERENCE_BATCH",
    "Start",
    "fresh_spectrum_model",
    "spectrum_recipe",
    "start_physics",
    "start_plain",
]

INFERENCE_BATCH = 256
"""Galaxies whose spectra are in memory at a time."""

Start = Callable[[keras.Model], None]
"""Gives a fresh network what was learned of training rows beforehand."""

Array = NDArray[np.floating]


def fresh_spectrum_model(
    decoder: str, settings: SpectrumConfig, encoder: HybridConfig, shifts: ShiftGrid
) -> keras.Model:
    """Build the network of these settings, with fresh weights, not compiled."""
    if decoder == "plain":
        return build_plain(
            shifts,
            dense_units=encoder.dense_units,
            dropout=encoder.dropout,
            precision=encoder.precision,
        )
    return build_physics(
        shifts,
        n_templates=settings.n_templates,
        residual_rank=settings.residual_rank,
        use_ebv=encoder.use_ebv,
        trunk_filters=encoder.trunk_filters,
        dense_units=encoder.dense_units,
        dropout=encoder.dropout,
        precision=encoder.precision,
    )


def start_plain(model: keras.Model, mean: Array) -> None:
    """Let the plain network begin at the mean training spectrum (L,)."""
    kernel, _ = model.get_layer("flux").get_weights()
    model.get_layer("flux").set_weights([kernel, mean])


def start_physics(
    model: keras.Model, *, moments: Moments, basis: Array, coefficients: Array
) -> None:
    """Let the physical network begin with what training rows say at once.

    Parameters
    ----------
    moments : of the photometry features.
    basis : (J, M) rest-frame templates; coefficients : (n, J) of training galaxies.
    """
    model.get_layer("standardise").set_weights(list(moments))
    model.get_layer("basis").set_weights([basis])
    kernel, _ = model.get_layer("coefficients").get_weights()
    spread, centre = coefficients.std(axis=0), coefficients.mean(axis=0)
    model.get_layer("coefficients").set_weights([kernel * spread, centre])


def spectrum_recipe(
    galaxies: Galaxies,
    spectra: Spectra,
    *,
    train_rows: NDArray[np.int64],
    validation_rows: NDArray[np.int64],
    decoder: str,
    settings: SpectrumConfig,
    encoder: HybridConfig,
    shifts: ShiftGrid,
    start: Start,
    seed: int,
) -> tuple[keras.Model, Recipe]:
    """Huber loss of the flux, cross-entropy of the redshift; AdamW under a cosine schedule.

    Return the network, whose weights training changes, and what `training.fit` wants. Wavelengths
    without a target (NaN) do not count. The validation loss is that of training.
    """
    keras.utils.set_random_seed(seed)
    model = fresh_spectrum_model(decoder, settings, encoder, shifts)
    start(model)
    trained = training_model(model)
    n = shifts.wavelengths.n
    with_redshift = "logits" in model.output

    def loss(truth: Any, output: Any) -> Any:
        flux = masked_huber(truth[:, :n], output[:, :n], delta=settings.huber_delta)
        if not with_redshift:
            return flux
        shares = ops.log_softmax(output[:, n:], axis=-1)
        return flux - settings.redshift_weight * ops.sum(truth[:, n:] * shares, axis=-1)

    trained.compile(
        keras.optimizers.AdamW(settings.learning_rate, weight_decay=encoder.weight_decay), loss
    )
    z_spec = galaxies.column("specz_redshift").astype(np.float64)
    ebv = galaxies.column("ebv")

    def targets(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        flux = spectra.flux(rows)
        if not with_redshift:
            return flux
        bins = smooth_shares(z_spec[rows], shifts, width=encoder.label_smoothing_dz)
        return np.concatenate([flux, bins], axis=1)

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch, 1])
        for images, rows in training_batches(
            galaxies,
            train_rows,
            batch_size=settings.batch_size,
            seed=seed,
            epoch=epoch,
            augment=encoder.augment,
        ):
            batch_ebv = ebv[rows].copy()
            drop_bands(images, batch_ebv, probability=encoder.band_dropout, rng=rng)
            yield {"images": images, "ebv": batch_ebv}, targets(rows)

    def validation_loss(model: keras.Model) -> float:
        total = 0.0
        for images, rows in sequential_batches(
            galaxies, validation_rows, batch_size=INFERENCE_BATCH
        ):
            output = model.predict_on_batch({"images": images, "ebv": ebv[rows]})
            total += float(ops.sum(loss(ops.convert_to_tensor(targets(rows)), output)))
        return total / len(validation_rows)

    recipe = Recipe(
        model=trained,
        batches=batches,
        validation_loss=validation_loss,
        learning_rate=cosine_rate(settings.learning_rate, epochs=settings.epochs),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=seed,
    )
    return model, recipe


def masked_huber(truth: Any, output: Any, *, delta: float) -> Any:
    """Mean Huber loss (B,) over the wavelengths whose truth is not NaN (Huber 1964)."""
    known = 1.0 - ops.cast(ops.isnan(truth), output.dtype)
    error = ops.abs(ops.divide_no_nan(truth, known) - output) * known
    inner = ops.minimum(error, delta)
    count = ops.maximum(ops.sum(known, axis=-1), 1.0)
    return ops.sum(inner * (error - 0.5 * inner), axis=-1) / count


def smooth_shares(z: Array, shifts: ShiftGrid, *, width: float) -> NDArray[np.float32]:
    """Share of a Gaussian of `width` in ln(1 + z) around each z in every bin, (n, K).

    What lies beyond the ends counts in the end bins.
    """
    edges = np.concatenate([shifts.centres - shifts.width / 2, [np.inf]])
    edges[0] = -np.inf
    cdf = ndtr((edges[None, :] - np.log1p(z)[:, None]) / max(width, 1e-6))
    return np.asarray(np.diff(cdf, axis=1), np.float32)
