"""The saved thing: a pool of trained networks as weights and JSON, no pickle; images -> Redshifts.

::

    models/<arm>/pool.json                    members, calibration, density of the training sample,
                                              digest over all of it
    models/<arm>/pool.onnx                    the same networks without Keras, see `onnx_form`
    models/<arm>/seed-<k>/estimator.json      settings, grid, calibration, digest
    models/<arm>/seed-<k>/weights.weights.h5  Keras weights
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import SOFTMAX_CONFIGS
from pix2z.dataset.stamps import clean_stamps
from pix2z.files import atomic_path, file_digest
from pix2z.network.architectures import build_published_cnn, softmax_model
from pix2z.network.backend import keras
from pix2z.network.recipes import uncalibrated
from pix2z.redshift_pdf.density import mix
from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Calibration, Redshifts, image_flags, redshifts
from pix2z.saved.sample_density import SampleDensity
from pix2z.saved.sealed import (
    SCHEMA,
    calibration_json,
    calibration_of,
    read_member,
    read_pool,
    sample_density_of,
    write_sealed,
)

__all__ = [
    "Estimator",
    "Member",
    "fresh_model",
    "load_member",
    "load_pool",
    "save_member",
]

BATCH = 1024


@dataclass(frozen=True)
class Member:
    """One trained network; `settings` rebuild it, `record` is kept beside it (arm, seed, keys)."""

    architecture: str
    model: keras.Model
    grid: RedshiftGrid
    settings: Mapping[str, Any]
    record: Mapping[str, Any]
    calibration: Calibration

    def raw(self, images: NDArray[Any], ebv: NDArray[Any]) -> NDArray[np.float64]:
        """Uncalibrated output: densities (n, K), or redshifts (n,) of the published CNN."""
        output = self.model.predict_on_batch({"images": images, "ebv": ebv})
        return uncalibrated(output, self.grid)


@dataclass(frozen=True)
class Estimator:
    """A pool of members whose raw outputs are averaged, then calibrated once."""

    members: tuple[Member, ...]
    calibration: Calibration
    digest: str
    sample_density: SampleDensity | None = None
    """Of the training sample; None where it was too small, or saved by an earlier version: then no
    galaxy is called unlike it."""

    @property
    def grid(self) -> RedshiftGrid:
        """The redshift bins of its PDFs."""
        return self.members[0].grid

    @property
    def record(self) -> Mapping[str, Any]:
        """What its first network says of its training."""
        return self.members[0].record

    @property
    def arm(self) -> str:
        """Name of the training that it comes from."""
        return str(self.record.get("arm", "unknown"))

    def estimate(self, images: Any, ebv: Any = None) -> Redshifts:
        """Redshifts of images (n, 32, 32, 5) in nanomaggies, with optional E(B-V) (n,) in mag.

        NaN marks masked pixels, absent bands and unknown E(B-V): see `clean_stamps` for what else
        is taken, and for the errors.
        """
        images, ebv = clean_stamps(images, ebv)
        batches = [slice(i, i + BATCH) for i in range(0, len(images), BATCH)]
        raw = [
            mix([member.raw(images[batch], ebv[batch]) for member in self.members])
            for batch in batches
        ]
        flags = [self._flags(images[batch], ebv[batch]) for batch in batches]
        return redshifts(
            np.concatenate(raw) if raw else np.zeros((0, self.grid.n_bins)),
            self.calibration,
            grid=self.grid,
            flags=np.concatenate(flags) if flags else np.zeros(0, np.int32),
        )

    def _flags(self, images: NDArray[Any], ebv: NDArray[Any]) -> NDArray[np.int32]:
        """Say of a batch what its stamps lack, and which are unlike the training sample."""
        flags = image_flags(images, ebv)
        if self.sample_density is not None:
            unlike = self.sample_density.unlike(images, ebv) & (flags & ImageFlag.BLANK == 0)
            flags = flags | np.where(unlike, ImageFlag.UNLIKE_SAMPLE, 0).astype(np.int32)
        return flags


def fresh_model(
    architecture: str, settings: Mapping[str, Any], *, grid: RedshiftGrid
) -> keras.Model:
    """Build the network that `settings` describe, not compiled: its weights carry no optimizer."""
    if section := SOFTMAX_CONFIGS.get(architecture):
        return softmax_model(section.model_validate(settings), grid=grid)
    return build_published_cnn(**settings)


def save_member(folder: Path, member: Member) -> None:
    """Write one member; estimator.json comes last, so that a folder with it is whole."""
    n_bytes = 4 * member.model.count_params()
    with atomic_path(folder / "weights.weights.h5", n_bytes=n_bytes) as partial:
        member.model.save_weights(partial)
    description = {
        "schema": SCHEMA,
        "architecture": member.architecture,
        "grid": asdict(member.grid),
        "settings": dict(member.settings),
        "record": dict(member.record),
        "calibration": calibration_json(member.calibration),
        "weights_sha256": file_digest(folder / "weights.weights.h5"),
    }
    write_sealed(folder / "estimator.json", description)


def load_member(folder: Path) -> Member:
    """Read one member; raise IntegrityError where weights or JSON are not what was saved."""
    description = read_member(folder)
    grid = RedshiftGrid(**description["grid"])
    settings = description["settings"]
    model = fresh_model(description["architecture"], settings, grid=grid)
    model.load_weights(folder / "weights.weights.h5")
    return Member(
        architecture=description["architecture"],
        model=model,
        grid=grid,
        settings=settings,
        record=description["record"],
        calibration=calibration_of(description["calibration"]),
    )


def load_pool(folder: str | Path) -> Estimator:
    """Read an arm's pool; raise IntegrityError where anything in it was altered."""
    folder = Path(folder)
    description = read_pool(folder)
    members = tuple(load_member(folder / name) for name in description["members"])
    calibration = calibration_of(description["calibration"])
    return Estimator(
        members,
        calibration,
        description["digest"],
        sample_density=sample_density_of(description),
    )
