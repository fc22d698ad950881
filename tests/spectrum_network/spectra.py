"""Artificial spectra whose shape and line follow the redshift, beside the artificial galaxies."""

from pathlib import Path

import h5py
import numpy as np

from pix2z.config.spectrum import SpectrumArm, SpectrumConfig
from pix2z.dataset.spectra import SCHEMA_VERSION
from pix2z.spectra.learned_basis import learn_basis
from pix2z.spectrum_network.arm import SpectrumTraining
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.wavelengths import WavelengthGrid
from tests.network.conftest import HYBRID

LINE = 6000.0
"""Rest wavelength of the only line, Angstrom."""

SETTINGS = SpectrumConfig(
    wavelength={"low": 4000.0, "high": 9000.0, "n": 200},
    stride=4,
    n_templates=3,
    residual_rank=2,
    redshift_weight=0.01,
    huber_delta=0.1,
    learning_rate=0.005,
    batch_size=50,
    epochs=4,
    patience=4,
    folds=2,
    templates={"n_templates": 3, "degree": 1, "n_pixels": 100},
    boosting={
        "max_depth": 3,
        "learning_rate": 0.2,
        "subsample": 0.8,
        "colsample": 0.8,
        "most_rounds": 40,
        "patience": 5,
        "n_pixels": 20,
        "seed": 1,
    },
)

GRID = SETTINGS.wavelength.grid
SHIFTS = ShiftGrid(GRID, SETTINGS.stride, 0.0, 0.4)


def learn(flux, z):
    basis = learn_basis(GRID.values, flux, z, n_templates=SETTINGS.n_templates, seed=1)
    return basis.wavelength, basis.flux


def no_curve():
    return lambda _epoch, _record: None


def spectrum_training(
    galaxies, spectra, split, folder: Path, *, decoder="physics", epochs=SETTINGS.epochs
) -> SpectrumTraining:
    """Return a training of small networks; they are saved in ``full`` below `folder`."""
    return SpectrumTraining(
        galaxies=galaxies,
        spectra=spectra,
        split=split,
        arm=SpectrumArm(selection="full", decoder=decoder, seed=1),
        settings=SETTINGS.model_copy(update={"epochs": epochs, "patience": epochs}),
        encoder=HYBRID,
        shifts=SHIFTS,
        learn_basis=learn,
        folder=folder / "full",
        checkpoints=folder / "checkpoints",
        record={"arm": "full"},
        curve=no_curve,
    )


def rest_frame(wavelength: np.ndarray) -> np.ndarray:
    """A continuum with a break at 4000 Angstrom, and a line."""
    continuum = 1 - 0.4 / (1 + np.exp((wavelength - 4300.0) / 60.0))
    return continuum + 0.8 * np.exp(-0.5 * ((wavelength - LINE) / 40.0) ** 2)


def artificial_spectra(z: np.ndarray, grid: WavelengthGrid) -> np.ndarray:
    """Relative spectra (n, L) at redshifts z (n,), mean 1."""
    flux = rest_frame(grid.values[None, :] / (1 + z[:, None]))
    return (flux / flux.mean(axis=1, keepdims=True)).astype(np.float32)


def write_spectra(path: Path, z: np.ndarray, grid: WavelengthGrid) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update(schema_version=SCHEMA_VERSION, low=grid.low, high=grid.high, kind="sdss")
        file["flux"] = artificial_spectra(z, grid)
