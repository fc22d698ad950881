"""Train one spectrum arm and reconstruct: ``python -m pix2z.stages.train_spectrum ARM``."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.spectrum import SpectrumConfig, read_spectrum_arm
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.spectra.learned_basis import learn_basis
from pix2z.spectra.reconstructions import write_reconstructions
from pix2z.spectrum_network.estimator import load_spectrum_estimator
from pix2z.spectrum_network.training_inputs import train_spectrum_from_files
from pix2z.spectrum_network.units import physical_blocks, stamps_of
from pix2z.stages.runner import run
from pix2z.tracking.live import SPECTRA, live_curve


def main() -> None:
    """Save spectrum/models/ARM and spectrum/reconstructed/ARM.hdf5."""
    name = sys.argv[1]
    arm, settings, pdf = read_spectrum_arm(name), SpectrumConfig.read(), PdfConfig.read()
    folder = Path("spectrum/models") / name
    train_spectrum_from_files(
        name,
        arm,
        settings,
        HybridConfig.read(),
        pdf,
        data=Path("data"),
        folder=folder,
        checkpoints=Path(".checkpoints"),
        learn_basis=partial(learned, settings=settings, seed=arm.seed),
        curve=lambda key: live_curve(
            arm.seed,
            arm=name,
            training_key=key,
            stage="train_spectrum",
            experiment=SPECTRA,
        ),
    )
    split = read_split(f"data/splits/{arm.selection}.h5")
    rows = np.concatenate([split.calibration, split.test])
    estimator = load_spectrum_estimator(folder)
    with open_galaxies("data/galaxies.h5") as galaxies:
        write_reconstructions(
            f"spectrum/reconstructed/{name}.hdf5",
            estimator,
            physical_blocks(estimator, stamps_of(galaxies, rows)),
            n=len(rows),
            columns={"row": np.int64},
            attributes={"source": galaxies.attribute("source"), "arm": name},
        )


def learned(
    flux: NDArray[np.float32],
    z: NDArray[np.float64],
    *,
    settings: SpectrumConfig,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Learn rest-frame wavelengths and basis of training spectra."""
    wavelength, n = settings.wavelength.grid.values, settings.n_templates
    basis = learn_basis(wavelength, flux, z, n_templates=n, seed=seed, max_iterations=30)
    return basis.wavelength, basis.flux


if __name__ == "__main__":
    run(main)
