"""How a spectrum network is trained: batches, loss, schedule."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pix2z.dataset.batches import Read
from pix2z.network.backend import keras, ops
from pix2z.network.recipes import augmented_batches
from pix2z.network.training import Recipe, cosine_rate
from pix2z.spectrum_network.architectures import training_model
from pix2z.spectrum_network.arm import SpectrumTraining
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.spectrum_network.units import BATCH

__all__ = ["masked_huber", "smooth_shares", "spectrum_recipe"]

Rows = NDArray[np.int64]


def spectrum_recipe(
    training: SpectrumTraining, model: keras.Model, train_rows: Rows, read: Read
) -> Recipe:
    """Huber loss of the flux, and cross-entropy of z where there is a PDF; AdamW, cosine schedule.

    The recipe's model is the network with one output, see `training_model`. The validation loss is
    that of training. Wavelengths without a target (NaN) do not count.

    Parameters
    ----------
    read : rows -> what the network takes of these galaxies.
    """
    galaxies, validation_rows = training.galaxies, training.split.validation
    settings, encoder, shifts = training.settings, training.encoder, training.shifts
    z_spec, n = galaxies.column("specz_redshift").astype(np.float64), shifts.wavelengths.n
    with_redshift = "logits" in model.output

    def loss(truth: Any, output: Any) -> Any:
        if not with_redshift:
            return masked_huber(truth, output, delta=settings.huber_delta)
        true_flux, true_shares = ops.split(truth, (n,), axis=-1)
        flux, logits = ops.split(output, (n,), axis=-1)
        entropy = -ops.sum(true_shares * ops.log_softmax(logits, axis=-1), axis=-1)
        flux_loss = masked_huber(true_flux, flux, delta=settings.huber_delta)
        return flux_loss + settings.redshift_weight * entropy

    def targets(rows: Rows) -> NDArray[np.float32]:
        flux = training.spectra.flux(rows)
        if not with_redshift:
            return flux
        bins = smooth_shares(z_spec[rows], shifts, width=encoder.label_smoothing_dz)
        return np.concatenate([flux, bins], axis=1)

    def validation_loss(model: keras.Model) -> float:
        total = 0.0
        for start in range(0, len(validation_rows), BATCH):
            rows = validation_rows[start : start + BATCH]
            output = model.predict_on_batch(read(rows))
            total += float(ops.sum(loss(ops.convert_to_tensor(targets(rows)), output)))
        return total / len(validation_rows)

    trained = training_model(model)
    trained.compile(
        keras.optimizers.AdamW(settings.learning_rate, weight_decay=encoder.weight_decay), loss
    )
    return Recipe(
        model=trained,
        batches=augmented_batches(
            read,
            train_rows,
            targets,
            augment=encoder.augment,
            band_dropout=encoder.band_dropout,
            batch_size=settings.batch_size,
            seed=training.arm.seed,
        ),
        validation_loss=validation_loss,
        learning_rate=cosine_rate(settings.learning_rate, epochs=settings.epochs),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=training.arm.seed,
    )


def masked_huber(truth: Any, output: Any, *, delta: float) -> Any:
    """Mean Huber loss (B,) over the wavelengths whose truth is not NaN (Huber 1964)."""
    known = 1.0 - ops.cast(ops.isnan(truth), output.dtype)
    error = (output - ops.divide_no_nan(truth, known)) * known
    # The loss is g (error - g / 2), and g its slope: taken as constant, it need not be derived.
    slope = ops.stop_gradient(ops.clip(error, -delta, delta))
    count = ops.maximum(ops.sum(known, axis=-1), 1.0)
    return ops.sum(slope * (error - 0.5 * slope), axis=-1) / count


def smooth_shares(
    z: NDArray[np.floating], shifts: ShiftGrid, *, width: float
) -> NDArray[np.float32]:
    """Share of a Gaussian of `width` in ln(1 + z) around each z in every bin, (n, K).

    What lies beyond the ends counts in the end bins.
    """
    edges = np.concatenate([shifts.centres - shifts.width / 2, [np.inf]])
    edges[0] = -np.inf
    cdf = ndtr((edges[None, :] - np.log1p(z)[:, None]) / max(width, 1e-6))
    return np.asarray(np.diff(cdf, axis=1), np.float32)
