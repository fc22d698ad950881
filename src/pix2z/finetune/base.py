"""The pool that a fine-tuning starts from, and which of a user's galaxies it has seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.splits import read_split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.errors import InputError
from pix2z.files import file_digest
from pix2z.ingest.duplicates import near_another
from pix2z.network.estimator import Estimator

__all__ = ["BasePool", "check_base", "seen_by_base"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class BasePool:
    """A pool to start from."""

    model: str
    """What the user called it."""
    folder: Path
    pool: Estimator
    root: Path = Path()
    """The checkout, whose data/ may be what trained it."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What its first network says of its training."""
        return self.pool.members[0].record


def check_base(base: BasePool) -> None:
    """Raise InputError where a pool cannot go on training."""
    others = sorted({member.architecture for member in base.pool.members} - {"hybrid"})
    if others:
        raise InputError(
            f"model {base.model!r}: expected a pool of hybrid networks; received "
            f"{', '.join(others)}, which is there to be compared with"
        )


def seen_by_base(
    galaxies: Galaxies,
    base: BasePool,
    *,
    radius_arcsec: float,
    part: NDArray[np.uint8] | None = None,
) -> tuple[Mask, dict[str, Any]]:
    """(N,) galaxies that the base was, or may have been, trained on; and what is known of it.

    Compared are, by position, the galaxies that networks were fitted on (all parts but the test)
    in data/ and beside the base, where these files are here. A base that was made by `pix2z
    finetune` was trained on its own galaxies and on those of its base.

    part : (N,) index in `PARTS` of galaxies that are rendered from the base's own, None of others.
        Such a galaxy counts only where the base has it in another part: one that chose the base's
        epoch may choose the next one's, and what trained the base may train again.
    """
    records = list(_records(base.record))
    named = {_inputs(record).get("galaxies_sha256") for record in records}
    selection = records[-1].get("selection", "full")
    seen, compared, n_known = np.zeros(len(galaxies), np.bool_), [], 0
    for path, split in (
        (base.root / "data/galaxies.h5", base.root / f"data/splits/{selection}.h5"),
        (base.folder / "galaxies.h5", base.folder / "split.h5"),
    ):
        if not (path.is_file() and split.is_file()):
            continue
        found = _seen_in(path, split, galaxies, radius_arcsec=radius_arcsec, part=part)
        if found is not None:
            near, all_known = found
            seen |= near
            compared.append(str(path))
            n_known += file_digest(path) in named and all_known
    all_placed = bool(np.isfinite(galaxies.column("ra") + galaxies.column("dec")).all())
    complete = n_known == len(records) and all_placed
    n = int(seen.sum())
    say = _words if part is None else _words_of_rendered
    words = say(n, compared, radius_arcsec, complete=complete)
    return seen, {"n": n, "compared_with": compared, "complete": complete, "words": words}


def _seen_in(
    path: Path,
    split_path: Path,
    galaxies: Galaxies,
    *,
    radius_arcsec: float,
    part: NDArray[np.uint8] | None,
) -> tuple[Mask, bool] | None:
    """(N,) galaxies at places that networks were fitted on, and whether all of these are known.

    None where either side has no positions. Galaxies without one, among others, are not found.
    """
    ra, dec = galaxies.column("ra"), galaxies.column("dec")
    placed = np.isfinite(ra) & np.isfinite(dec)
    split, seen, all_known, compared = read_split(split_path), np.zeros_like(placed), True, False
    with open_galaxies(path) as others:
        fitted = (split.trainable, split.validation, split.calibration)  # in the order of `PARTS`
        for index, rows in enumerate(fitted):
            other_ra, other_dec = others.column("ra", rows), others.column("dec", rows)
            known = np.isfinite(other_ra) & np.isfinite(other_dec)
            all_known &= bool(known.all())
            if not (placed.any() and known.any()):
                continue
            near = np.zeros_like(placed)
            near[placed] = near_another(
                ra[placed],
                dec[placed],
                other_ra[known],
                other_dec[known],
                radius_arcsec=radius_arcsec,
            )
            seen |= near if part is None else near & (part != index)
            compared = True
    return (seen, all_known) if compared else None


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


def _words_of_rendered(
    n: int, compared: Sequence[str], _radius_arcsec: float, *, complete: bool
) -> str:
    if not compared:
        return (
            "The galaxies are rendered. Whether the base was trained on those of the test part is "
            "not known: the galaxies that trained it are not here."
        )
    words = f"The galaxies are rendered from those of {' and '.join(compared)}"
    words += f"; {n:,} are in another part there, and may train alone" if n else ""
    return (
        f"{words}: none of validation, calibration and test is one that "
        f"{'trained' if complete else 'is known to have trained'} the base."
    )
