"""The training of one network of a spectrum arm: what it starts from, and what it leaves."""

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pix2z.dataset.batches import Read
from pix2z.files import atomic_path, write_json
from pix2z.network.backend import keras
from pix2z.network.checkpoint import fit_on_record, history_columns
from pix2z.network.measured import measured_galaxies
from pix2z.network.recipes import feature_moments, output_batches, stamps_of
from pix2z.network.training import TrainingState
from pix2z.redshift_pdf.calibration import evenly_spread
from pix2z.spectrum_network.architectures import fresh_spectrum_model
from pix2z.spectrum_network.arm import Part, SpectrumTraining
from pix2z.spectrum_network.estimator import (
    ErrorBand,
    SpectrumEstimator,
    fit_error_band,
    fit_line_band,
    line_sigma,
    save_spectrum_estimator,
)
from pix2z.spectrum_network.recipes import spectrum_recipe
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.spectrum_network.units import BATCH, WHERE_LINES, redshift_quantiles
from pix2z.wavelengths import binned
from pix2z.wavelengths.lines import at_lines, blend_at

__all__ = ["train_network"]

BASIS_ROWS = 600
"""Most training spectra behind the first basis; training goes on from there."""
MOST_BAND_ROWS = 2000
"""Calibration rows behind the error band, at most."""

Rows = NDArray[np.int64]
Array = NDArray[np.float64]
Basis = tuple[Array, Array]
"""Rest-frame wavelengths (M,) and templates (J, M)."""


def train_network(part: Part) -> None:
    """Train a network on some rows, with the arm's seed whatever the rows, and use it."""
    training = part.training
    flux, z = _some(training, part.train_rows)
    basis = training.learn_basis(flux, z)
    how = training.arm.decoder, training.settings, training.encoder, training.shifts
    keras.utils.set_random_seed(training.arm.seed)
    model = fresh_spectrum_model(*how, of_measurements=True)
    if training.arm.decoder == "plain":
        read = stamps_of(training.galaxies)
        _start_plain(model, flux)
    else:
        rows = np.concatenate([part.train_rows, training.split.validation])
        measured = measured_galaxies(training.galaxies, training.encoder, rows)
        read = measured.read
        moments = feature_moments(measured, part.train_rows, training.encoder)
        model.get_layer("standardise").set_weights(moments)
        _start_basis(training, model, flux, z, basis)
    recipe = spectrum_recipe(training, model, part.train_rows, read)
    state = fit_on_record(
        recipe,
        checkpoint=training.checkpoints / f"{part.name}.h5",
        curve=training.curve() if part.kept else lambda _epoch, _record: None,
        what=f"spectrum {training.record['arm']}, {part.name}",
    )
    _write_unseen(part, recipe.model, read)
    if part.kept:
        whole = fresh_spectrum_model(*how)
        whole.set_weights(model.get_weights())
        _save(training, whole, basis, state)


def _some(training: SpectrumTraining, rows: Rows) -> tuple[NDArray[np.float32], Array]:
    """Spectra (n, L) and redshifts (n,) of some of the rows, evenly spread."""
    few = evenly_spread(rows, most=BASIS_ROWS)
    flux = training.spectra.flux(few)
    known = ~np.isnan(flux).all(axis=1)
    z = training.galaxies.column("specz_redshift", few).astype(np.float64)
    return flux[known], z[known]


def _start_plain(model: keras.Model, flux: NDArray[np.float32]) -> None:
    """Let the plain network begin at the mean of training spectra (n, L)."""
    kernel, _ = model.get_layer("flux").get_weights()
    mean = np.nan_to_num(np.nanmean(flux, axis=0), nan=1.0)
    model.get_layer("flux").set_weights([kernel, mean])


def _start_basis(
    training: SpectrumTraining,
    model: keras.Model,
    flux: NDArray[np.float32],
    z: Array,
    basis: Basis,
) -> None:
    """Let the physical network begin with the basis of training spectra and its mean weights."""
    wavelength, templates = basis
    wanted = training.shifts.rest_wavelengths
    scaled = np.stack([np.interp(wanted, wavelength, one) for one in templates])
    scaled /= np.sqrt((scaled**2).mean(axis=1, keepdims=True))
    coefficients = _coefficients(flux, z, scaled, training.shifts)
    model.get_layer("basis").set_weights([scaled])
    kernel, _ = model.get_layer("coefficients").get_weights()
    spread, centre = coefficients.std(axis=0), coefficients.mean(axis=0)
    model.get_layer("coefficients").set_weights([kernel * spread, centre])


def _coefficients(flux: NDArray[np.float32], z: Array, basis: Array, shifts: ShiftGrid) -> Array:
    """Least-squares weights (n, J) of the shifted basis in each spectrum."""
    n = shifts.wavelengths.n
    weights = np.empty((len(flux), len(basis)))
    place = (shifts.centres[-1] - np.log1p(z)) / shifts.wavelengths.step
    for row, first in enumerate(np.clip(np.round(place).astype(int), 0, shifts.n_rest - n)):
        known = np.isfinite(flux[row])
        shifted = basis[:, first : first + n][:, known]
        # Normal equations: J x J instead of L x J, thirty times as fast.
        gram, sums = shifted @ shifted.T, shifted @ flux[row, known].astype(np.float64)
        weights[row] = np.linalg.lstsq(gram, sums, rcond=1e-12)[0]
    return weights


def _write_unseen(part: Part, trained: keras.Model, read: Read) -> None:
    """Write binned reconstructions (n, n_pixels) of the part's unseen rows, batch by batch.

    trained : the training form, whose first outputs are the flux; it spares the variance.
    """
    training, rows = part.training, part.unseen_rows
    n, n_pixels = training.shifts.wavelengths.n, training.settings.boosting.n_pixels
    n_bytes = 4 * len(rows) * n_pixels
    with atomic_path(part.unseen_path, n_bytes=n_bytes) as partial, h5py.File(partial, "w") as file:
        stored = file.create_dataset("flux", (len(rows), n_pixels), np.float32)
        for done in range(0, len(rows), BATCH):
            output = trained.predict_on_batch(read(rows[done : done + BATCH]))
            stored[done : done + len(output)] = binned(output[:, :n], n_pixels)


def _save(
    training: SpectrumTraining, model: keras.Model, basis: Basis, state: TrainingState
) -> None:
    folder = training.folder
    rest_wavelength, rest_basis = basis
    estimator = SpectrumEstimator(
        decoder=training.arm.decoder,
        model=model,
        shifts=training.shifts,
        band=_error_band(training, model),
        rest_wavelength=rest_wavelength,
        rest_basis=rest_basis,
        search=training.settings.templates,
        record=training.record,
    )
    save_spectrum_estimator(folder, estimator, settings=training.settings, encoder=training.encoder)
    history = history_columns(state, n_train=len(training.split.train))
    write_json(folder / "history.json", history)


def _error_band(training: SpectrumTraining, model: keras.Model) -> ErrorBand:
    """Fit the error band on calibration rows, which trained nothing."""
    rows = evenly_spread(training.split.calibration, most=MOST_BAND_ROWS)
    wavelength, shifts = training.shifts.wavelengths.values, training.shifts
    errors, variances, limits, redshifts = [], [], [], []
    batches = output_batches(model, training.galaxies, rows, batch_size=BATCH)
    for outputs, batch in batches:
        errors.append(outputs["flux"] - training.spectra.flux(batch))
        variances.append(outputs.get("variance", np.zeros_like(errors[-1])))
        redshifts.append(training.galaxies.column("specz_redshift", batch).astype(np.float64))
        if "logits" in outputs:
            shares = softmax(outputs["logits"], axis=1)
            limits.append(redshift_quantiles(shares, shifts, n=len(batch), levels=WHERE_LINES))
    error, variance, z = map(np.concatenate, (errors, variances, redshifts))
    if not limits:
        return fit_error_band(error, variance)
    low, high = np.concatenate(limits, axis=1)
    band = fit_error_band(np.where(blend_at(wavelength, z) >= 0, np.nan, error), variance)
    halves = (at_lines(half, wavelength, z)[:, :, :1] for half in band.half_widths(variance))
    return fit_line_band(
        band,
        at_lines(np.abs(error), wavelength, z),
        line_sigma(variance, wavelength, low, high),
        continuum=tuple(halves),
        elsewhere=(z < low) | (z > high),
    )
