"""Rows of the four parts of the sample, for each way of selecting training galaxies.

Three selections share one test set: `full` takes all rows, `clipped` those inside the clip window,
`equal_n` a random share of the groups of `full` of the size of `clipped`, so that the effect of
clipping and that of fewer galaxies can be told apart. Every training of `equal_n` draws its own
training rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.files import atomic_path, text_digest
from pix2z.partition import PARTS, partition

__all__ = [
    "SELECTIONS",
    "Draws",
    "Split",
    "check_split",
    "drawn_for",
    "ids_digest",
    "make_splits",
    "read_split",
    "split_report",
    "write_split",
]

SELECTIONS = ("full", "clipped", "equal_n")

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Draws:
    """Training rows (n,) that a share is drawn of, and the seed of the split."""

    rows: Rows
    seed: int


@dataclass(frozen=True)
class Split:
    """Sorted rows of galaxies.h5 in each part.

    Attributes
    ----------
    selection : one of `SELECTIONS`.
    train, validation, calibration, test : (n,) int64.
    clip_window : lowest and highest redshift of the clipped selection, the same in all three.
    test_digest : SHA-256 over the sorted object ids of the test rows.
    draws : of `equal_n`, from which every training draws its own rows; `train` is one more draw.
    """

    selection: str
    train: Rows
    validation: Rows
    calibration: Rows
    test: Rows
    clip_window: tuple[float, float]
    test_digest: str
    draws: "Draws | None" = None

    @property
    def trainable(self) -> Rows:
        """Rows that some training of this selection may have seen as training rows."""
        return self.train if self.draws is None else self.draws.rows

    def parts(self) -> dict[str, Rows]:
        """Return the rows by name of the part."""
        return {part: getattr(self, part) for part in PARTS}


def make_splits(
    *,
    group_id: NDArray[np.int64],
    object_id: NDArray[np.int64],
    z_spec: NDArray[np.floating],
    moved: NDArray[np.uint8],
    seed: int,
    fractions: Mapping[str, float],
    clip_sigma: float,
) -> dict[str, Split]:
    """Split N galaxies into four parts by group, once per selection.

    Parameters
    ----------
    group_id, object_id, z_spec, moved : (N,) columns of galaxies.h5.
    fractions : expected share of the groups in each part.
    clip_sigma : half width of the clip window, in standard deviations of the redshifts of the
        unmoved training galaxies about their mean.

    Raises
    ------
    InputError
        A moved stamp is outside the training part, or a part is empty.
    """
    part = partition(group_id, seed=seed, fractions=fractions)
    full = {name: np.flatnonzero(part == index) for index, name in enumerate(PARTS)}
    _no_moved_outside_training(full, moved)
    for name, rows in full.items():
        if not len(rows):
            raise InputError(f"split: the {name} part is empty; {len(group_id)} rows are too few")

    unmoved = full["train"][moved[full["train"]] == 0]
    if not len(unmoved):
        raise InputError("split: the training part has moved stamps only; expected unmoved ones")
    centre, spread = float(np.mean(z_spec[unmoved])), float(np.std(z_spec[unmoved]))
    window = (centre - clip_sigma * spread, centre + clip_sigma * spread)
    inside = (z_spec >= window[0]) & (z_spec <= window[1])
    clipped = {name: rows if name == "test" else rows[inside[rows]] for name, rows in full.items()}
    equal_n = {
        name: rows
        if name == "test"
        else _random_groups(rows, group_id, size=len(clipped[name]), seed=(seed, index))
        for index, (name, rows) in enumerate(full.items())
    }
    digest = ids_digest(object_id[full["test"]])
    selected: tuple[dict[str, Any], ...] = (full, clipped, equal_n)
    splits = {
        selection: Split(selection=selection, **rows, clip_window=window, test_digest=digest)
        for selection, rows in zip(SELECTIONS, selected, strict=True)
    }
    splits["equal_n"] = replace(splits["equal_n"], draws=Draws(full["train"], seed))
    return splits


def drawn_for(split: Split, group_id: NDArray[np.int64], *, training_seed: int) -> Split:
    """Return the split whose training rows are those of one training.

    Of `equal_n` they are drawn anew for each training seed, as many as in `split.train` but for one
    group: what the draw leaves to chance is then in the scatter of seeds. Other selections have one
    set of rows for all.

    Parameters
    ----------
    group_id : (N,) column of galaxies.h5.
    """
    if split.draws is None:
        return split
    seed = (split.draws.seed, PARTS.index("train"), training_seed)
    train = _random_groups(split.draws.rows, group_id, size=len(split.train), seed=seed)
    return replace(split, train=train)


def _random_groups(
    rows: Rows, group_id: NDArray[np.int64], *, size: int, seed: tuple[int, ...]
) -> Rows:
    """Whole groups drawn at random from `rows` until their number of rows is closest to `size`."""
    _, group, counts = np.unique(group_id[rows], return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(counts))
    total = np.concatenate([[0], np.cumsum(counts[order])])
    n_groups = int(np.argmin(np.abs(total - size)))
    chosen: Rows = rows[np.isin(group, order[:n_groups])]
    return chosen


def ids_digest(object_id: NDArray[np.int64]) -> str:
    """SHA-256 over object ids, sorted, as decimal numbers."""
    return text_digest(*(str(value) for value in np.sort(object_id).tolist()))


def check_split(
    split: Split,
    *,
    group_id: NDArray[np.int64],
    object_id: NDArray[np.int64],
    moved: NDArray[np.uint8],
    test_rows: Rows,
) -> None:
    """Raise InputError where a split would make a comparison invalid.

    Parameters
    ----------
    group_id, object_id, moved : (N,) columns of galaxies.h5.
    test_rows : the test set every selection must have.
    """
    name = split.selection
    for part, rows in split.parts().items():
        if np.any(np.diff(rows) <= 0):
            raise InputError(f"split {name}: rows of {part} are not sorted or repeat")
        if len(rows) and not 0 <= rows[0] <= rows[-1] < len(group_id):
            raise InputError(
                f"split {name}: expected {part} rows from 0 to {len(group_id) - 1}; "
                f"received {rows[0]} to {rows[-1]}"
            )
    _no_shared_group(split, group_id)
    _no_moved_outside_training(split.parts(), moved)
    if not np.array_equal(split.test, test_rows):
        raise InputError(
            f"split {name}: the test set must be the same {len(test_rows)} rows in every "
            f"selection, never clipped; received {len(split.test)}"
        )
    if split.test_digest != ids_digest(object_id[split.test]):
        raise InputError(f"split {name}: test_digest is not that of the test rows' object ids")


def _no_shared_group(split: Split, group_id: NDArray[np.int64]) -> None:
    parts = {**split.parts(), "train": split.trainable}
    groups = {part: np.unique(group_id[rows]) for part, rows in parts.items()}
    for index, one in enumerate(PARTS):
        for other in PARTS[index + 1 :]:
            shared = np.intersect1d(groups[one], groups[other])
            if len(shared):
                raise InputError(
                    f"split {split.selection}: group {shared[0]} is in {one} and in {other}; "
                    f"expected every group in one part ({len(shared)} are in both)"
                )


def _no_moved_outside_training(parts: Mapping[str, Rows], moved: NDArray[np.uint8]) -> None:
    for part, rows in parts.items():
        n_moved = int(np.count_nonzero(moved[rows]))
        if part != "train" and n_moved:
            raise InputError(
                f"split: {n_moved} moved stamps fall into {part}; expected them in train only "
                "(were they rendered with another split seed or other fractions?)"
            )


def write_split(path: str | Path, split: Split, *, seed: int, n_galaxies: int) -> None:
    """Write a split as HDF5, atomically, the same bytes for the same split."""
    n_bytes = sum(rows.nbytes for rows in [*split.parts().values(), split.trainable])
    with atomic_path(path, n_bytes=n_bytes) as partial, h5py.File(partial, "w") as file:
        for part, rows in split.parts().items():
            file.create_dataset(part, data=rows.astype(np.int64), track_times=False)
        if split.draws is not None:
            file.create_dataset("drawn_from", data=split.draws.rows, track_times=False)
        file.attrs.update(
            selection=split.selection,
            seed=seed,
            clip_low=split.clip_window[0],
            clip_high=split.clip_window[1],
            test_digest=split.test_digest,
            n_galaxies=n_galaxies,
        )


def read_split(path: str | Path) -> Split:
    """Read a split; raise InputError where the file is missing or not one."""
    try:
        with h5py.File(path, "r") as file:
            return Split(
                selection=str(file.attrs["selection"]),
                **{part: file[part][...].astype(np.int64) for part in PARTS},
                clip_window=(float(file.attrs["clip_low"]), float(file.attrs["clip_high"])),
                test_digest=str(file.attrs["test_digest"]),
                draws=_draws(file),
            )
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a split ({error})") from error
    except KeyError as error:
        raise InputError(f"{path}: not a split: {error.args[0]}") from error


def _draws(file: h5py.File) -> Draws | None:
    if "drawn_from" not in file:
        return None
    return Draws(file["drawn_from"][...].astype(np.int64), int(file.attrs["seed"]))


def split_report(splits: Mapping[str, Split], *, group_id: NDArray[np.int64]) -> dict[str, Any]:
    """Count rows and groups, window and digest, for split.json."""
    first = splits[SELECTIONS[0]]
    return {
        "clip_window": list(first.clip_window),
        "test_digest": first.test_digest,
        "n_galaxies": len(group_id),
        "selections": {
            name: {
                part: {"rows": len(rows), "groups": len(np.unique(group_id[rows]))}
                for part, rows in split.parts().items()
            }
            for name, split in splits.items()
        },
    }
