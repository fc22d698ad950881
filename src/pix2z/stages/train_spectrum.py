"""Train one spectrum arm and reconstruct: ``python -m pix2z.stages.train_spectrum ARM``."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.config.compute import ComputeConfig
from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.spectrum import SpectrumConfig, read_spectrum_arm
from pix2z.dataset.spectra import open_spectra
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.files import file_digest, text_digest
from pix2z.network.arm import training_code
from pix2z.network.workers import processes_for, side_by_side
from pix2z.spectra.learned_basis import learn_basis
from pix2z.spectra.reconstructions import write_reconstructions
from pix2z.spectrum_network.arm import SpectrumTraining, train_spectrum_arm
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.spectrum_network.units import physical_blocks, stamps_of
from pix2z.stages.runner import live_curve
from pix2z.stages.runner import run as run_stage

DATA = Path("data")


def main() -> None:
    """Save spectrum/models/ARM and spectrum/reconstructed/ARM.hdf5."""
    name = sys.argv[1]
    arm, settings = read_spectrum_arm(name), SpectrumConfig.read()
    encoder, pdf = HybridConfig.read(), PdfConfig.read()
    rows = DATA / "splits" / f"{arm.selection}.h5"
    files = {"galaxies": DATA / "galaxies.h5", "spectra": DATA / "spectra.h5", "split": rows}
    digests = {f"{what}_sha256": file_digest(path) for what, path in files.items()}
    code = training_code("spectrum_network", "spectra/learned_basis.py", "wavelengths")
    inputs = {**digests, **code}
    named = [f"{what}={digest}" for what, digest in sorted(inputs.items())]
    key = text_digest(*named, repr((arm, settings, encoder, pdf)))
    record = {
        "arm": name,
        "selection": arm.selection,
        "seed": arm.seed,
        "training_key": key,
        "inputs": inputs,
    }
    with (
        open_galaxies(files["galaxies"]) as galaxies,
        open_spectra(files["spectra"]) as spectra,
        side_by_side(processes_for(settings.folds, ComputeConfig.read().processes)) as run,
    ):
        training = SpectrumTraining(
            galaxies=galaxies,
            spectra=spectra,
            split=read_split(rows),
            arm=arm,
            settings=settings,
            encoder=encoder,
            shifts=ShiftGrid(spectra.grid, settings.stride, pdf.z_min, pdf.z_max),
            learn_basis=partial(learned, settings=settings, seed=arm.seed),
            folder=Path("spectrum/models") / name,
            checkpoints=Path(".checkpoints") / key,
            record={**record, "targets": spectra.kind},
            curve=partial(
                live_curve,
                arm.seed,
                arm=name,
                training_key=key,
                stage="train_spectrum",
            ),
        )
        train_spectrum_arm(training, run)
        list(run(partial(reconstruct, training=training), [name]))


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


def reconstruct(name: str, *, training: SpectrumTraining) -> None:
    """Write the spectra of calibration and test galaxies, as `pix2z spectrum` would."""
    from pix2z.spectrum_network.estimator import load_spectrum_estimator

    estimator = load_spectrum_estimator(Path("spectrum/models") / name)
    galaxies = training.galaxies
    rows = np.concatenate([training.split.calibration, training.split.test])
    write_reconstructions(
        f"spectrum/reconstructed/{name}.hdf5",
        estimator,
        physical_blocks(estimator, stamps_of(galaxies, rows)),
        n=len(rows),
        columns={"row": np.int64},
        attributes={"source": galaxies.attribute("source"), "arm": name},
    )


if __name__ == "__main__":
    run_stage(main)
