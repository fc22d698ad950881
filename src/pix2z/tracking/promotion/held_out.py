"""The test galaxies that a version is judged on, found by their digest among the files here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.splits import ids_digest, read_split
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.imaging import BANDS
from pix2z.tracking.models import FINETUNED

__all__ = ["HeldOut", "SmokeInput", "find_held_out", "held_out_of_arms", "smoke_input"]

GALAXIES, SPLIT = "data/galaxies.h5", "data/splits/full.h5"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Test galaxies: rows (n,) of a galaxies.h5, and the digest of their object ids."""

    galaxies: Path
    rows: NDArray[np.int64]
    digest: str


@dataclass(frozen=True, eq=False)
class SmokeInput:
    """What is sent through a version as it would be served: images (n, 32, 32, 5), E(B-V) (n,)."""

    images: NDArray[np.float32]
    ebv: NDArray[np.float64]


def held_out_of_arms(root: Path) -> HeldOut:
    """Return the test galaxies of data/, which all arms share.

    Raises
    ------
    InputError
        data/galaxies.h5 or its split is missing, or the two do not belong together.
    """
    for path in (root / GALAXIES, root / SPLIT):
        if not path.is_file():
            raise InputError(
                f"{path}: no such file; versions are judged on the test galaxies in it: run "
                "`make repro`, or `dvc pull` where somebody pushed it"
            )
    return _held_out(root / GALAXIES, root / SPLIT)


def find_held_out(root: Path, digest: str) -> HeldOut | None:
    """Find the test galaxies of that digest: those of data/, or of a fine-tuned model.

    Raises InputError as `held_out_of_arms`, unless a fine-tuned model has them.
    """
    for galaxies, split in _finetuned_samples(root):
        if read_split(split).test_digest == digest:
            return _held_out(galaxies, split)
    of_arms = held_out_of_arms(root)
    return of_arms if of_arms.digest == digest else None


def _finetuned_samples(root: Path) -> Iterator[tuple[Path, Path]]:
    for folder in sorted((root / FINETUNED).glob("*")):
        galaxies, split = folder / "galaxies.h5", folder / "split.h5"
        if galaxies.is_file() and split.is_file():
            yield galaxies, split


def _held_out(galaxies: Path, split_path: Path) -> HeldOut:
    split = read_split(split_path)
    with open_galaxies(galaxies) as file:
        found = ids_digest(file.column("object_id", split.test))
    if found != split.test_digest:
        raise InputError(
            f"{galaxies}: its test galaxies are not those that {split_path} was made for; run "
            "`dvc repro`"
        )
    return HeldOut(galaxies, split.test, found)


def smoke_input(held_out: HeldOut, n: int) -> SmokeInput:
    """Read n galaxies spread over the test rows, whole and then with what real images may lack.

    The second half is the first with the u band absent and E(B-V) unknown.
    """
    rows = held_out.rows[np.unique(np.linspace(0, len(held_out.rows) - 1, n).astype(int))]
    with open_galaxies(held_out.galaxies) as file:
        images, ebv = file.images(rows), file.column("ebv", rows).astype(np.float64)
    lacking = images.copy()
    lacking[..., BANDS.index("u")] = np.nan
    unknown = np.full(len(rows), np.nan)
    return SmokeInput(np.concatenate([images, lacking]), np.concatenate([ebv, unknown]))
