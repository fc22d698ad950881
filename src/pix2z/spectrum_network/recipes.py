"""How a spectrum network is trained: what it starts from, batches, loss, schedule."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from pix2z.network.training import Batch, cosine_rate
from pix2z.spectrum_network.architectures import build_physics, build_plain, training_model
from pix2z.spectrum_network.shifts import ShiftGrid

__all__ = [
    "INFERENCE_BATCH",
    "SpectrumNetwork",
    "fresh_spectrum_model",
    "spectrum_network",
    "spectrum_recipe",
    "start_physics",
    "start_plain",
]

INFERENCE_BATCH = 256
"""Galaxies whose spectra are in memory at a time."""

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


@dataclass(frozen=True)
class SpectrumNetwork:
    """A network and its compiled training form, which share their weights."""

    settings: SpectrumConfig
    encoder: HybridConfig
    shifts: ShiftGrid
    model: keras.Model
    trained: keras.Model
    loss: Callable[[Any, Any], Any]
    """Targets and outputs, (B, L) or (B, L + K), -> loss (B,)."""

    @property
    def with_redshift(self) -> bool:
        """Whether it gives a redshift PDF, too."""
        return "logits" in self.model.output

    def outputs(
        self, galaxies: Galaxies, rows: NDArray[np.int64]
    ) -> Iterator[tuple[Array, NDArray[np.int64]]]:
        """Yield outputs of the training form, (n, L) or (n, L + K), and rows, batch by batch."""
        ebv = galaxies.column("ebv")
        for images, batch in sequential_batches(galaxies, rows, batch_size=INFERENCE_BATCH):
            yield self.trained.predict_on_batch({"images": images, "ebv": ebv[batch]}), batch

    def fluxes(self, galaxies: Galaxies, rows: NDArray[np.int64]) -> Iterator[Array]:
        """Yield reconstructed spectra (n, L), without the variance over the PDF."""
        n = self.shifts.wavelengths.n
        return (output[:, :n] for output, _ in self.outputs(galaxies, rows))


def spectrum_network(
    decoder: str, settings: SpectrumConfig, encoder: HybridConfig, shifts: ShiftGrid, seed: int
) -> SpectrumNetwork:
    """Build with weights of this seed, and compile: Huber loss of the flux, cross-entropy of z.

    Wavelengths without a target (NaN) do not count.
    """
    keras.utils.set_random_seed(seed)
    model = fresh_spectrum_model(decoder, settings, encoder, shifts)
    n = shifts.wavelengths.n

    def flux_loss(truth: Any, output: Any) -> Any:
        return masked_huber(truth, output, delta=settings.huber_delta)

    def loss(truth: Any, output: Any) -> Any:
        true_flux, true_shares = ops.split(truth, (n,), axis=-1)
        flux, logits = ops.split(output, (n,), axis=-1)
        entropy = -ops.sum(true_shares * ops.log_softmax(logits, axis=-1), axis=-1)
        return flux_loss(true_flux, flux) + settings.redshift_weight * entropy

    network = SpectrumNetwork(
        settings=settings,
        encoder=encoder,
        shifts=shifts,
        model=model,
        trained=training_model(model),
        loss=loss if "logits" in model.output else flux_loss,
    )
    network.trained.compile(
        keras.optimizers.AdamW(settings.learning_rate, weight_decay=encoder.weight_decay),
        network.loss,
    )
    return network


def spectrum_recipe(
    network: SpectrumNetwork,
    galaxies: Galaxies,
    spectra: Spectra,
    *,
    train_rows: NDArray[np.int64],
    validation_rows: NDArray[np.int64],
    seed: int,
) -> Recipe:
    """Return what `training.fit` wants: batches, a cosine schedule.

    The validation loss is that of training.
    """
    settings, encoder, shifts = network.settings, network.encoder, network.shifts
    z_spec = galaxies.column("specz_redshift").astype(np.float64)
    ebv = galaxies.column("ebv")

    def targets(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        flux = spectra.flux(rows)
        if not network.with_redshift:
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

    def validation_loss(_model: keras.Model) -> float:
        total = 0.0
        for output, rows in network.outputs(galaxies, validation_rows):
            total += float(ops.sum(network.loss(ops.convert_to_tensor(targets(rows)), output)))
        return total / len(validation_rows)

    return Recipe(
        model=network.trained,
        batches=batches,
        validation_loss=validation_loss,
        learning_rate=cosine_rate(settings.learning_rate, epochs=settings.epochs),
        epochs=settings.epochs,
        patience=settings.patience,
        seed=seed,
    )


def masked_huber(truth: Any, output: Any, *, delta: float) -> Any:
    """Mean Huber loss (B,) over the wavelengths whose truth is not NaN (Huber 1964)."""
    known = 1.0 - ops.cast(ops.isnan(truth), output.dtype)
    error = (output - ops.divide_no_nan(truth, known)) * known
    # The loss is g (error - g / 2), and g its slope: taken as constant, it need not be derived.
    slope = ops.stop_gradient(ops.clip(error, -delta, delta))
    count = ops.maximum(ops.sum(known, axis=-1), 1.0)
    return ops.sum(slope * (error - 0.5 * slope), axis=-1) / count


def smooth_shares(z: Array, shifts: ShiftGrid, *, width: float) -> NDArray[np.float32]:
    """Share of a Gaussian of `width` in ln(1 + z) around each z in every bin, (n, K).

    What lies beyond the ends counts in the end bins.
    """
    edges = np.concatenate([shifts.centres - shifts.width / 2, [np.inf]])
    edges[0] = -np.inf
    cdf = ndtr((edges[None, :] - np.log1p(z)[:, None]) / max(width, 1e-6))
    return np.asarray(np.diff(cdf, axis=1), np.float32)
