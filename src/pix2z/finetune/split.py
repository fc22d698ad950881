"""The four parts of a user's own galaxies, for fine-tuning, and which of them a base has seen."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.splits import Split, check_split, ids_digest
from pix2z.dataset.store import Galaxies
from pix2z.errors import InputError
from pix2z.ingest.duplicates import near_another
from pix2z.partition import PARTS, partition

__all__ = ["seen_before", "tuning_split"]


def tuning_split(
    galaxies: Galaxies,
    *,
    seen: NDArray[np.bool_],
    seed: int,
    fractions: Mapping[str, float],
    fewest_rows: Mapping[str, int],
    path: str | Path,
) -> Split:
    """Split a user's galaxies by group; those that the base has seen may train, but no more.

    Parameters
    ----------
    seen : (N,) galaxies left out of validation, calibration and test.
    fractions : expected share of the groups in each part.
    fewest_rows : fewest galaxies in each part.
    path : the user's file, for messages.

    Raises
    ------
    InputError
        A part has too few galaxies, or a moved stamp is outside the training part.
    """
    group_id, object_id = galaxies.column("group_id"), galaxies.column("object_id")
    z_spec = galaxies.column("specz_redshift")
    part = partition(group_id, seed=seed, fractions=fractions)
    rows = {
        name: np.flatnonzero((part == index) & (~seen | (name == "train")))
        for index, name in enumerate(PARTS)
    }
    _enough(rows, group_id, seen, fractions=fractions, fewest_rows=fewest_rows, path=path)
    split = Split(
        selection="full",
        **rows,
        clip_window=(float(z_spec.min()), float(z_spec.max())),
        test_digest=ids_digest(object_id[rows["test"]]),
    )
    check_split(
        split,
        group_id=group_id,
        object_id=object_id,
        moved=galaxies.column("moved"),
        test_rows=split.test,
    )
    return split


def _enough(
    rows: Mapping[str, NDArray[np.int64]],
    group_id: NDArray[np.int64],
    seen: NDArray[np.bool_],
    *,
    fractions: Mapping[str, float],
    fewest_rows: Mapping[str, int],
    path: str | Path,
) -> None:
    short = [name for name in PARTS if len(rows[name]) < fewest_rows[name]]
    if not short:
        return
    lacking = ", ".join(
        f"{name} {len(rows[name])} of at least {fewest_rows[name]}" for name in short
    )
    wanted = max(math.ceil(fewest_rows[name] / fractions[name]) for name in PARTS)
    n_groups = len(np.unique(group_id))
    known = f", {int(seen.sum())} of them seen by the base" if seen.any() else ""
    raise InputError(
        f"{path}: too few galaxies to fine-tune: {lacking}; expected about {wanted} or more in "
        f"many groups, which are never cut in two; received {len(group_id)} good ones in "
        f"{n_groups} groups{known}"
    )


def seen_before(
    galaxies: Galaxies, other: Galaxies, rows: NDArray[np.int64], *, radius_arcsec: float
) -> NDArray[np.bool_] | None:
    """(N,) True for galaxies at the position of one of `rows` of `other`.

    None where one of the two has no positions, so that it cannot be told. Galaxies without a
    position among others that have one are not found.
    """
    ra, dec = galaxies.column("ra"), galaxies.column("dec")
    other_ra, other_dec = other.column("ra", rows), other.column("dec", rows)
    here, there = (np.isfinite(a) & np.isfinite(d) for a, d in ((ra, dec), (other_ra, other_dec)))
    if not here.any() or not there.any():
        return None
    seen = np.zeros(len(ra), np.bool_)
    seen[here] = near_another(
        ra[here], dec[here], other_ra[there], other_dec[there], radius_arcsec=radius_arcsec
    )
    return seen
