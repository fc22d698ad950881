"""All that the training of an arm starts from: recorded with every network, and its key.

The same inputs give the same weights, so that a training can go on after a kill, and be repeated
later to see whether a registered version is what it says.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pix2z.config.training import ArmTraining
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.files import file_digest, source_digest, text_digest
from pix2z.network.arm import Curve, train_arm
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = ["TrainingInputs", "train_from_files", "training_code", "training_inputs"]


@dataclass(frozen=True)
class TrainingInputs:
    """What a training starts from: how, on which files, by which code."""

    training: ArmTraining
    galaxies: str
    """SHA-256 of galaxies.h5."""
    rows: str
    """SHA-256 of the split."""
    code: str
    """SHA-256 over the sources of the package that train."""
    tensorflow: str
    """Its version."""

    @property
    def grid(self) -> RedshiftGrid:
        """The redshift bins."""
        return RedshiftGrid(**self.training.pdf.model_dump())

    @property
    def key(self) -> str:
        """Digest over all of it but the seeds."""
        how = f"{self.training.settings!r} {asdict(self.grid)}"
        return text_digest(self.galaxies, self.rows, how, self.code, self.tensorflow)

    @property
    def record(self) -> dict[str, Any]:
        """What every network of the arm keeps of it, as JSON values."""
        return {
            "arm": self.training.name,
            "selection": self.training.arm.selection,
            "training_key": self.key,
            "inputs": {
                "galaxies_sha256": self.galaxies,
                "split_sha256": self.rows,
                "code_sha256": self.code,
                "tensorflow": self.tensorflow,
                "settings": self.training.settings.model_dump(mode="json"),
            },
        }


def training_inputs(training: ArmTraining, *, galaxies: Path, rows: Path) -> TrainingInputs:
    """Take the digests of the files, and of the code as it is here."""
    return TrainingInputs(
        training,
        galaxies=file_digest(galaxies),
        rows=file_digest(rows),
        **training_code(),
    )


def training_code() -> dict[str, str]:
    """Return what trains here: ``code``, a digest of the sources, and ``tensorflow``."""
    code = source_digest("network", "dataset", "redshift_pdf", "sky/imaging.py")
    return {"code": code, "tensorflow": version("tensorflow")}


def train_from_files(
    inputs: TrainingInputs,
    *,
    galaxies: Path,
    rows: Path,
    models: Path,
    checkpoints: Path,
    curve: Callable[[int], Curve],
) -> None:
    """Train every seed of the arm on the files that `inputs` were taken of; see `train_arm`.

    Parameters
    ----------
    checkpoints : folder for all trainings; this one's is below, by its key.
    """
    training = inputs.training
    with open_galaxies(galaxies) as opened:
        train_arm(
            opened,
            read_split(rows),
            architecture=training.arm.architecture,
            settings=training.settings,
            seeds=training.arm.seeds,
            grid=inputs.grid,
            models=models,
            checkpoints=checkpoints / inputs.key,
            record=inputs.record,
            curve=curve,
        )
