"""The pool that ``pix2z finetune`` starts from, and which of a user's galaxies it has seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.splits import read_split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.files import file_digest
from pix2z.finetune.split import seen_before
from pix2z.network.estimator import Estimator

__all__ = ["Base", "seen_by_base"]


@dataclass(frozen=True)
class Base:
    """A pool to start from."""

    model: str
    """What the user called it."""
    folder: Path
    pool: Estimator

    @property
    def record(self) -> Mapping[str, Any]:
        """What its first network says of its training."""
        return self.pool.members[0].record


@dataclass(frozen=True)
class _Sample:
    """Galaxies in files that are here, which may have trained the base."""

    galaxies: Path
    split: Path
    recorded: bool
    """Whether the base says, by digest, that these trained it."""


def seen_by_base(
    galaxies: Galaxies, base: Base, *, radius_arcsec: float
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """(N,) galaxies that the base was, or may have been, trained on; and what is known of it.

    Compared are, by position, the galaxies that networks were fitted on (all parts but the test)
    in data/ and beside the base, where these files are here. A base that was made by `pix2z
    finetune` was trained on its own galaxies and on those of its base.
    """
    seen, compared, known = np.zeros(len(galaxies), np.bool_), [], 0
    for sample in _samples(base):
        found, whole = _found_in(sample, galaxies, radius_arcsec=radius_arcsec)
        if found is not None:
            seen |= found
            compared.append(str(sample.galaxies))
            known += sample.recorded and whole
    complete = known == len(list(_records(base.record))) and bool(_placed(galaxies).all())
    n = int(seen.sum())
    words = _words(n, compared, radius_arcsec, complete=complete)
    return seen, {"n": n, "compared_with": compared, "complete": complete, "words": words}


def _found_in(
    sample: _Sample, galaxies: Galaxies, *, radius_arcsec: float
) -> tuple[NDArray[np.bool_] | None, bool]:
    """(N,) galaxies of the sample that were fitted on, if there are positions; if all have one."""
    split = read_split(sample.split)
    rows = np.sort(np.concatenate([split.train, split.validation, split.calibration]))
    with open_galaxies(sample.galaxies) as other:
        found = seen_before(galaxies, other, rows, radius_arcsec=radius_arcsec)
        return found, bool(_placed(other)[rows].all())


def _placed(galaxies: Galaxies) -> NDArray[np.bool_]:
    """(N,) galaxies that have a position."""
    placed: NDArray[np.bool_] = np.isfinite(galaxies.column("ra") + galaxies.column("dec"))
    return placed


def _samples(base: Base) -> Iterator[_Sample]:
    """Yield what is here of galaxies that may have trained the base."""
    records = list(_records(base.record))
    recorded = {_inputs(record).get("galaxies_sha256") for record in records}
    selection = records[-1].get("selection", "full")
    places = (
        (Path("data/galaxies.h5"), Path(f"data/splits/{selection}.h5")),
        (base.folder / "galaxies.h5", base.folder / "split.h5"),
    )
    for galaxies, split in places:
        if galaxies.is_file() and split.is_file():
            yield _Sample(galaxies, split, recorded=file_digest(galaxies) in recorded)


def _records(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the record of each training behind a network: its own first, that of an arm last."""
    yield record
    if "base" in record:
        yield from _records(record["base"])


def _inputs(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Digests of what a training read; empty where it does not say."""
    inputs: Mapping[str, Any] = record.get("tuned_on") or record.get("inputs") or {}
    return inputs


def _words(n: int, compared: Sequence[str], radius_arcsec: float, *, complete: bool) -> str:
    if not compared:
        return (
            "Whether the base was trained on galaxies of the test part is not known: the galaxies "
            "that trained it are not here, or there are no positions to compare."
        )
    count = f"{n:,} galaxies lie" if n else "No galaxy lies"
    trained = "was trained on" if complete else "may have been trained on"
    files = " and ".join(compared)
    words = f"{count} within {radius_arcsec:g} arcsec of those that the base {trained} ({files})"
    if n:
        words += ", and these were kept out of validation, calibration and test"
    return f"{words}." if complete else f"{words}; whether it has seen others is not known."
