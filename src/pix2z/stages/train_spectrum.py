"""Train one spectrum arm and reconstruct: ``python -m pix2z.stages.train_spectrum ARM``."""

import sys
from functools import partial
from pathlib import Path

from pix2z.catalogue.spectra import write_reconstructions
from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.spectrum import SpectrumConfig, read_spectrum_arm
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.network.spectrum_estimator import load_spectrum_estimator
from pix2z.network.spectrum_inputs import test_stamps, train_spectrum_from_files
from pix2z.spectra.learned_basis import learn_basis
from pix2z.stages.runner import run
from pix2z.tracking.live import live_curve


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
        learn_basis=partial(
            learn_basis,
            settings.wavelength.grid.values,
            n_templates=settings.n_templates,
            seed=arm.seed,
        ),
        curve=partial(live_curve, arm=name),
    )
    split = read_split(f"data/splits/{arm.selection}.h5")
    with open_galaxies("data/galaxies.h5") as galaxies:
        batches = seen_stamps(galaxies, split)
        write_reconstructions()


if __name__ == "__main__":
    run(main)
