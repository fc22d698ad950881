"""The training of one network of a spectrum arm: what it starts from, and what it leaves."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.store import Galaxies
from pix2z.files import atomic_path, write_json
from pix2z.network.arm import Curve
from pix2z.network.checkpoint import fit_on_record, history_columns
from pix2z.network.recipes import feature_moments
from pix2z.network.training import TrainingState
from pix2z.redshift_pdf.calibration import evenly_spread
from pix2z.spectrum_network.arm import SpectrumTraining
from pix2z.spectrum_network.estimator import (
    ErrorBand,
    SpectrumEstimator,
    fit_error_band,
    raw_outputs,
    save_spectrum_estimator,
)
from pix2z.spectrum_network.recipes import (
    INFERENCE_BATCH,
    SpectrumNetwork,
    spectrum_network,
    spectrum_recipe,
    start_physics,
    start_plain,
)
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.wavelengths import binned

__all__ = ["reconstructed", "train_network"]

BASIS_ROWS = 600
"""Most training spectra behind the first basis; training goes on from there."""
MOST_BAND_ROWS = 2000
"""Calibration rows behind the error band, at most."""

Rows = NDArray[np.int64]
Array = NDArray[np.float64]
Basis = tuple[Array, Array]
"""Rest-frame wavelengths (M,) and templates (J, M)."""


def train_network(
    training: SpectrumTraining,
    *,
    name: str,
    what: str,
    train_rows: Rows,
    unseen_rows: Rows,
    unseen_path: Path,
    save: tuple[Path, Mapping[str, Any]] | None,
    curve: Curve,
) -> None:
    """Train a network on some rows, with the arm's seed whatever the rows, and use it.

    Parameters
    ----------
    name : of its checkpoint. what : of the training in the log.
    unseen_rows : rows whose binned reconstructions are written to `unseen_path`.
    save : folder and record to save it with, its error band and its history; None: it is not kept.
    """
    flux, z = _some(training, train_rows)
    basis = training.learn_basis(flux, z)
    network = spectrum_network(
        training.arm.decoder,
        training.settings,
        training.encoder,
        training.shifts,
        training.arm.seed,
    )
    _start(training, network.model, train_rows, flux, z, basis)
    recipe = spectrum_recipe(
        network,
        training.galaxies,
        training.spectra,
        train_rows=train_rows,
        validation_rows=training.split.validation,
        seed=training.arm.seed,
    )
    checkpoint = training.checkpoints / f"{name}.h5"
    state = fit_on_record(recipe, checkpoint=checkpoint, curve=curve, what=what)
    _write_unseen(training, network, unseen_rows, unseen_path)
    if save:
        _save(training, network, basis, state, *save)


def reconstructed(
    model: keras.Model, galaxies: Galaxies, rows: Rows
) -> Iterator[tuple[dict[str, NDArray[np.float32]], Rows]]:
    """Yield (`raw_outputs`, rows), batch by batch."""
    ebv = galaxies.column("ebv")
    for images, batch in sequential_batches(galaxies, rows, batch_size=INFERENCE_BATCH):
        yield raw_outputs(model, images, ebv[batch]), batch


def _some(training: SpectrumTraining, rows: Rows) -> tuple[NDArray[np.float32], Array]:
    """Spectra (n, L) and redshifts (n,) of some of the rows, evenly spread."""
    few = evenly_spread(rows, most=BASIS_ROWS)
    flux = training.spectra.flux(few)
    known = ~np.isnan(flux).all(axis=1)
    z = training.galaxies.column("specz_redshift", few).astype(np.float64)
    return flux[known], z[known]


def _start(
    training: SpectrumTraining,
    model: keras.Model,
    rows: Rows,
    flux: NDArray[np.float32],
    z: Array,
    basis: Basis,
) -> None:
    """Put what these rows say at once into the network: moments, basis, mean."""
    if training.arm.decoder == "plain":
        start_plain(model, np.nan_to_num(np.nanmean(flux, axis=0), nan=1.0))
        return
    wavelength, templates = basis
    wanted = training.shifts.rest_wavelengths
    scaled = np.stack([np.interp(wanted, wavelength, one) for one in templates])
    scaled /= np.sqrt((scaled**2).mean(axis=1, keepdims=True))
    start_physics(
        model,
        moments=feature_moments(training.galaxies, rows),
        basis=scaled,
        coefficients=_coefficients(flux, z, scaled, training.shifts),
    )


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


def _write_unseen(
    training: SpectrumTraining, network: SpectrumNetwork, rows: Rows, path: Path
) -> None:
    """Write binned reconstructions (n, n_pixels) of the rows, batch by batch."""
    n_pixels, done = training.settings.boosting.n_pixels, 0
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        stored = file.create_dataset("flux", (len(rows), n_pixels), np.float32)
        for flux in network.fluxes(training.galaxies, rows):
            stored[done : done + len(flux)] = binned(flux, n_pixels)
            done += len(flux)


def _save(
    training: SpectrumTraining,
    network: SpectrumNetwork,
    basis: Basis,
    state: TrainingState,
    folder: Path,
    record: Mapping[str, Any],
) -> None:
    rest_wavelength, rest_basis = basis
    estimator = SpectrumEstimator(
        decoder=training.arm.decoder,
        model=network.model,
        shifts=training.shifts,
        band=_error_band(training, network.model),
        rest_wavelength=rest_wavelength,
        rest_basis=rest_basis,
        record=dict(record),
    )
    save_spectrum_estimator(folder, estimator, settings=training.settings, encoder=training.encoder)
    history = history_columns(state, n_train=len(training.split.train))
    write_json(folder / "history.json", history)


def _error_band(training: SpectrumTraining, model: keras.Model) -> ErrorBand:
    """Fit the error band on calibration rows, which trained nothing."""
    rows = evenly_spread(training.split.calibration, most=MOST_BAND_ROWS)
    errors, variances = [], []
    for outputs, batch in reconstructed(model, training.galaxies, rows):
        errors.append(outputs["flux"] - training.spectra.flux(batch))
        variances.append(outputs["variance"])
    return fit_error_band(np.concatenate(errors), np.concatenate(variances))
