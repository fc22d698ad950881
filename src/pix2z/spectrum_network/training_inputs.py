"""All that the training of a spectrum arm starts from, and the key that its files are found by."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.spectrum import SpectrumArm, SpectrumConfig
from pix2z.dataset.spectra import open_spectra
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.files import file_digest, text_digest
from pix2z.network.arm import Curve
from pix2z.network.training_inputs import training_code
from pix2z.spectrum_network.architectures import ShiftGrid
from pix2z.spectrum_network.arm import LearnBasis, SpectrumTraining, train_spectrum_arm

__all__ = ["spectrum_training_key", "train_spectrum_from_files"]


def spectrum_training_key(inputs: dict[str, str], how: tuple[Any, ...]) -> str:
    """Digest over files, code and settings: what a checkpoint belongs to."""
    return text_digest(*(f"{name}={value}" for name, value in sorted(inputs.items())), repr(how))


def train_spectrum_from_files(
    name: str,
    arm: SpectrumArm,
    settings: SpectrumConfig,
    encoder: HybridConfig,
    pdf: PdfConfig,
    *,
    data: Path,
    folder: Path,
    checkpoints: Path,
    learn_basis: LearnBasis,
    curve: Callable[[str], Curve],
) -> None:
    """Train an arm on data/{galaxies,spectra}.h5 and its split; save it in `folder`.

    Parameters
    ----------
    checkpoints : folder for all trainings; this one's is below, by its key.
    curve : training key -> what to call after each epoch.
    """
    rows = data / "splits" / f"{arm.selection}.h5"
    files = {"galaxies": data / "galaxies.h5", "spectra": data / "spectra.h5", "split": rows}
    digests = {f"{what}_sha256": file_digest(path) for what, path in files.items()}
    inputs = {**digests, **training_code()}
    key = spectrum_training_key(inputs, (arm, settings, encoder, pdf))
    record = {
        "arm": name,
        "selection": arm.selection,
        "seed": arm.seed,
        "training_key": key,
        "inputs": inputs,
    }
    with open_galaxies(files["galaxies"]) as galaxies, open_spectra(files["spectra"]) as spectra:
        training = SpectrumTraining(
            galaxies=galaxies,
            spectra=spectra,
            split=read_split(rows),
            arm=arm,
            settings=settings,
            encoder=encoder,
            shifts=ShiftGrid(spectra.grid, settings.stride, pdf.z_min, pdf.z_max),
            learn_basis=learn_basis,
            checkpoints=checkpoints / key,
        )
        record["targets"] = spectra.kind
        train_spectrum_arm(training, folder, name=name, record=record, curve=curve(key))
