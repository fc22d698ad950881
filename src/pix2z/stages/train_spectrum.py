"""Train spectrum arms and reconstruct: ``python -m pix2z.stages.train_spectrum [ARM...]``."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.config.compute import ComputeConfig
from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.spectrum import SpectrumConfig, read_spectrum_arm, read_spectrum_arms
from pix2z.dataset.spectra import Spectra, open_spectra
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.files import file_digest, text_digest
from pix2z.network.arm import training_code
from pix2z.network.workers import processes_for, side_by_side
from pix2z.spectra.learned_basis import learn_basis
from pix2z.spectra.reconstructions import write_reconstructions
from pix2z.spectrum_network.arm import SpectrumTraining, train_spectrum_arms
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.spectrum_network.units import physical_blocks, stamps_of
from pix2z.stages.runner import live_curve
from pix2z.stages.runner import run as run_stage

DATA = Path("data")


def main() -> None:
    """Save spectrum/models/ARM and spectrum/reconstructed/ARM.hdf5 of each arm."""
    names, settings = sys.argv[1:] or list(read_spectrum_arms()), SpectrumConfig.read()
    paths = {"galaxies": DATA / "galaxies.h5", "spectra": DATA / "spectra.h5"}
    code = training_code("spectrum_network", "spectra/learned_basis.py", "wavelengths")
    inputs = {f"{what}_sha256": file_digest(path) for what, path in paths.items()} | code
    with open_galaxies(paths["galaxies"]) as galaxies, open_spectra(paths["spectra"]) as spectra:
        trainings = [_training(name, settings, galaxies, spectra, inputs) for name in names]
        # The plain decoder, which reads whole stamps, takes longest: no core is left alone with it.
        trainings.sort(key=lambda training: training.arm.decoder != "plain")
        n_trainings = len(trainings) * (1 + settings.folds)
        with side_by_side(processes_for(n_trainings, ComputeConfig.read().processes)) as run:
            train_spectrum_arms(trainings, run)
            list(run(reconstruct, trainings))


def _training(
    name: str,
    settings: SpectrumConfig,
    galaxies: Galaxies,
    spectra: Spectra,
    inputs: Mapping[str, str],
) -> SpectrumTraining:
    arm, encoder, pdf = read_spectrum_arm(name), HybridConfig.read(), PdfConfig.read()
    rows = DATA / "splits" / f"{arm.selection}.h5"
    inputs = {**inputs, "split_sha256": file_digest(rows)}
    named = [f"{what}={digest}" for what, digest in sorted(inputs.items())]
    key = text_digest(*named, repr((arm, settings, encoder, pdf)))
    return SpectrumTraining(
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
        record={
            "arm": name,
            "selection": arm.selection,
            "seed": arm.seed,
            "training_key": key,
            "inputs": inputs,
            "targets": spectra.kind,
        },
        curve=partial(live_curve, arm.seed, arm=name, training_key=key, stage="train_spectrum"),
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


def reconstruct(training: SpectrumTraining) -> None:
    """Write the spectra of calibration and test galaxies, as `pix2z spectrum` would."""
    from pix2z.spectrum_network.estimator import load_spectrum_estimator

    estimator, galaxies = load_spectrum_estimator(training.folder), training.galaxies
    name = training.record["arm"]
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
