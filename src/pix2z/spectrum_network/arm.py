"""Training of a spectrum arm: one network on all its rows, and one per fold for the others' sake.

A redshift reader must learn from spectra as bad as those it will see. So the training rows are cut
into folds, by group; each fold's spectra come from a network trained on the other folds.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import HybridConfig
from pix2z.config.spectrum import SpectrumArm, SpectrumConfig
from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.spectra import Spectra
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.files import atomic_path, write_json
from pix2z.network.arm import Curve
from pix2z.network.checkpoint import load_state, save_state
from pix2z.network.history import history_columns, log_epoch
from pix2z.network.recipes import feature_moments
from pix2z.network.training import TrainingState, fit
from pix2z.redshift_pdf.calibration import evenly_spread
from pix2z.spectrum_network.architectures import ShiftGrid
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
from pix2z.wavelengths import binned

__all__ = [
    "UNSEEN",
    "LearnBasis",
    "SpectrumTraining",
    "folds",
    "reconstructed",
    "train_spectrum_arm",
]

logger = logging.getLogger(__name__)

UNSEEN = "unseen.h5"
"""Groups train and validation: rows (n,), and flux (n, n_pixels) of `binned` reconstructions by
networks that were not trained on these rows."""
BASIS_ROWS = 600
"""Most training spectra behind the first basis; training goes on from there."""
MOST_BAND_ROWS = 2000
"""Calibration rows behind the error band, at most."""

Rows = NDArray[np.int64]
Array = NDArray[np.float64]
LearnBasis = Callable[[NDArray[np.float32], Array], tuple[Array, Array]]
"""Training spectra (n, L) and redshifts (n,) -> rest-frame wavelengths (M,), templates (J, M)."""


@dataclass(frozen=True)
class SpectrumTraining:
    """All that the trainings of an arm share."""

    galaxies: Galaxies
    spectra: Spectra
    split: Split
    arm: SpectrumArm
    settings: SpectrumConfig
    encoder: HybridConfig
    shifts: ShiftGrid
    learn_basis: LearnBasis
    checkpoints: Path


def train_spectrum_arm(
    training: SpectrumTraining,
    folder: Path,
    *,
    name: str,
    record: Mapping[str, Any],
    curve: Curve,
) -> None:
    """Train, calibrate and save an arm's network, and the out-of-fold spectra of its rows.

    Every training goes on from its last epoch after a kill.

    Parameters
    ----------
    record : JSON-able facts kept with the network.
    curve : called after each epoch of the network on all rows, such as live tracking.
    """
    split = training.split
    rest_wavelength, rest_basis = training.learn_basis(*_some(training, split.train))
    network = spectrum_network(
        training.arm.decoder, training.settings, training.encoder, training.shifts
    )
    state = _train(training, network, split.train, what=name, name="all", curve=curve)
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
    write_json(folder / "history.json", history_columns(state, n_train=len(split.train)))
    _write_unseen(training, network, folder / UNSEEN, what=name)


def folds(group_id: Rows, *, n: int, seed: int) -> Rows:
    """Return the fold (N,) of each row, 0 to n - 1; rows of one group share theirs."""
    groups, index = np.unique(group_id, return_inverse=True)
    return np.random.default_rng([seed, n]).permutation(np.arange(len(groups)) % n)[index]


def reconstructed(
    model: keras.Model, galaxies: Galaxies, rows: Rows
) -> Iterator[tuple[dict[str, NDArray[np.float32]], Rows]]:
    """Yield (`raw_outputs`, rows), batch by batch."""
    ebv = galaxies.column("ebv")
    for images, batch in sequential_batches(galaxies, rows, batch_size=INFERENCE_BATCH):
        yield raw_outputs(model, images, ebv[batch]), batch


def _train(
    training: SpectrumTraining,
    network: SpectrumNetwork,
    rows: Rows,
    *,
    what: str,
    name: str,
    curve: Curve,
) -> TrainingState:
    """Train the network anew, on some rows; the arm's seed, whatever the rows."""
    recipe = spectrum_recipe(
        network,
        training.galaxies,
        training.spectra,
        train_rows=rows,
        validation_rows=training.split.validation,
        start=lambda model: _start(training, rows, model),
        seed=training.arm.seed,
    )
    checkpoint = training.checkpoints / f"{name}.h5"

    def on_epoch(state: TrainingState) -> None:
        save_state(checkpoint, state)
        curve(state.epoch - 1, state.history[-1])
        log_epoch(state, epochs=recipe.epochs, what=f"spectrum {what}, {name}")

    return fit(**vars(recipe), resume=load_state(checkpoint), on_epoch=on_epoch)


def _some(training: SpectrumTraining, rows: Rows) -> tuple[NDArray[np.float32], Array]:
    """Spectra (n, L) and redshifts (n,) of some of the rows, evenly spread."""
    few = evenly_spread(rows, most=BASIS_ROWS)
    flux = training.spectra.flux(few)
    known = ~np.isnan(flux).all(axis=1)
    z = training.galaxies.column("specz_redshift", few).astype(np.float64)
    return flux[known], z[known]


def _start(training: SpectrumTraining, rows: Rows, model: keras.Model) -> None:
    """Put what these rows say at once into the network: moments, basis, mean."""
    flux, z = _some(training, rows)
    if training.arm.decoder == "plain":
        start_plain(model, np.nan_to_num(np.nanmean(flux, axis=0), nan=1.0))
        return
    rest, templates = training.learn_basis(flux, z)
    wanted = training.shifts.rest_wavelengths
    basis = np.stack([np.interp(wanted, rest, one) for one in templates])
    basis /= np.sqrt((basis**2).mean(axis=1, keepdims=True))
    start_physics(
        model,
        moments=feature_moments(training.galaxies, rows),
        basis=basis,
        coefficients=_coefficients(flux, z, basis, training.shifts),
    )


def _coefficients(flux: NDArray[np.float32], z: Array, basis: Array, shifts: ShiftGrid) -> Array:
    """Least-squares weights (n, J) of the shifted basis in each spectrum."""
    n = shifts.wavelengths.n
    found = np.empty((len(flux), len(basis)))
    place = (shifts.centres[-1] - np.log1p(z)) / shifts.wavelengths.step
    for row, first in enumerate(np.clip(np.round(place).astype(int), 0, shifts.n_rest - n)):
        known = np.isfinite(flux[row])
        shifted = basis[:, first : first + n][:, known]
        found[row] = np.linalg.lstsq(shifted.T, flux[row, known], rcond=1e-6)[0]
    return found


def _error_band(training: SpectrumTraining, model: keras.Model) -> ErrorBand:
    """Fit the error band on calibration rows, which trained nothing."""
    rows = evenly_spread(training.split.calibration, most=MOST_BAND_ROWS)
    errors, variances = [], []
    for outputs, batch in reconstructed(model, training.galaxies, rows):
        errors.append(outputs["flux"] - training.spectra.flux(batch))
        variances.append(outputs["variance"])
    return fit_error_band(np.concatenate(errors), np.concatenate(variances))


def _write_unseen(
    training: SpectrumTraining, network: SpectrumNetwork, path: Path, *, what: str
) -> None:
    """Write what redshift readers learn from: training rows out of fold, validation rows.

    The network comes trained on all training rows, and leaves trained on some.
    """
    rows, settings = training.split.train, training.settings
    group_id = training.galaxies.column("group_id", rows)
    fold = folds(group_id, n=settings.folds, seed=training.arm.seed)
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        for name, part in (("train", rows), ("validation", training.split.validation)):
            file.create_dataset(f"{name}/rows", data=part, track_times=False)
            shape = (len(part), settings.boosting.n_pixels)
            file.create_dataset(f"{name}/flux", shape, np.float32, track_times=False)
        everywhere = np.arange(len(training.split.validation))
        _fill(training, network, file["validation"], everywhere)
        for number in range(settings.folds):
            others = rows[fold != number]
            _train(training, network, others, what=what, name=f"fold-{number}", curve=_unseen)
            _fill(training, network, file["train"], np.flatnonzero(fold == number))


def _fill(
    training: SpectrumTraining, network: SpectrumNetwork, group: h5py.Group, places: Rows
) -> None:
    """Reconstruct the rows at these places of a group, and store their binned flux there."""
    rows, done = group["rows"][...][places], 0
    for flux in network.fluxes(training.galaxies, rows):
        few = binned(flux, training.settings.boosting.n_pixels)
        group["flux"][places[done : done + len(few)]] = few
        done += len(few)


def _unseen(_epoch: int, _record: dict[str, float]) -> None:
    """Show no curve: the networks of folds are means to an end."""
