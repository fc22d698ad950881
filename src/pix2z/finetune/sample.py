"""A user's galaxies, made into galaxies.h5 and the four parts of its split."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.finetune import FinetuneSettings
from pix2z.config.ingest import Hdf5Mapping
from pix2z.config.split import SplitConfig
from pix2z.dataset.splits import Split, check_split, ids_digest, write_split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.errors import InputError
from pix2z.files import atomic_path
from pix2z.finetune.base import BasePool, seen_by_base
from pix2z.ingest.galaxies import ingest
from pix2z.partition import PARTS, partition

__all__ = ["left_out", "make_sample", "user_split"]

Json = dict[str, Any]


def make_sample(
    file: Path,
    folder: Path,
    base: BasePool,
    settings: FinetuneSettings,
    *,
    layout: str | None,
    mapping: Hdf5Mapping,
    check: bool,
    rendered: bool = False,
) -> tuple[Json, Json]:
    """Write the user's galaxies and their split into `folder`; what stood there stays if refused.

    Redshifts outside the grid of the base's PDFs are left out. Galaxies that are `rendered` from
    those of the default run stay in the part that these have there. Returns ingest's report, and
    what is known of galaxies that the base has seen.
    """
    grid = base.pool.grid
    with _left_only_if_used(folder), atomic_path(folder / "galaxies.h5") as partial:
        ingested = ingest(
            file,
            partial,
            layout=layout,
            mapping=mapping,
            z_min=settings.ingest.z_min,
            z_max=settings.ingest.z_max,
            pdf_range=(grid.z_min, grid.z_max),
            duplicate_radius_arcsec=settings.ingest.duplicate_radius_arcsec,
            check_photometry=check and settings.ingest.check_photometry,
            unchecked_by="give --no-check",
            z_warnings=settings.ingest.spectra.zwarning,
            classes=settings.ingest.spectra.classes,
        )
        with open_galaxies(partial) as galaxies:
            radius = settings.ingest.duplicate_radius_arcsec
            part = _part(galaxies, settings.split) if rendered else None
            seen, facts = seen_by_base(galaxies, base, radius_arcsec=radius, part=part)
            split = user_split(
                galaxies,
                seen=seen,
                seed=settings.split.seed,
                fractions=settings.split.fractions.model_dump(),
                fewest_rows=settings.finetune.fewest_rows.model_dump(),
                path=file,
                left_out=left_out(ingested),
            )
            n_galaxies = len(galaxies)
    write_split(folder / "split.h5", split, seed=settings.split.seed, n_galaxies=n_galaxies)
    return ingested, facts


def left_out(ingested: Json) -> str:
    """Say how many rows ingest left out, and for what; nothing where it took all."""
    counts = {reason: bad["count"] for reason, bad in ingested["bad"].items() if bad["count"]}
    reasons = ", ".join(f"{n:,} ({reason})" for reason, n in counts.items())
    return f"; left out: {reasons}" if counts else ""


def _part(galaxies: Galaxies, split: SplitConfig) -> NDArray[np.uint8]:
    """Part (N,) of each galaxy by its group, as the default run has it with the same settings."""
    fractions = split.fractions.model_dump()
    return partition(galaxies.column("group_id"), seed=split.seed, fractions=fractions)


@contextmanager
def _left_only_if_used(folder: Path) -> Iterator[None]:
    """Take the folder away again where a refused file brought nothing into it."""
    try:
        yield
    except InputError:
        with suppress(OSError):  # it holds what an earlier run left
            folder.rmdir()
        raise


def user_split(
    galaxies: Galaxies,
    *,
    seen: NDArray[np.bool_],
    seed: int,
    fractions: Mapping[str, float],
    fewest_rows: Mapping[str, int],
    path: str | Path,
    left_out: str = "",
) -> Split:
    """Split a user's galaxies by group; those that the base has seen may train, but no more.

    Parameters
    ----------
    seen : (N,) galaxies left out of validation, calibration and test.
    fractions : expected share of the groups in each part.
    fewest_rows : fewest galaxies in each part.
    path, left_out : the user's file, and what ingest left out of it, for messages.

    Raises
    ------
    InputError
        A part has too few galaxies, or a moved stamp is outside the training part.
    """
    group_id, object_id = galaxies.column("group_id"), galaxies.column("object_id")
    z_spec = galaxies.column("specz_redshift")
    part = partition(group_id, seed=seed, fractions=fractions)
    rows: dict[str, Any] = {
        name: np.flatnonzero((part == index) & (~seen | (name == "train")))
        for index, name in enumerate(PARTS)
    }
    _enough(
        rows,
        group_id,
        seen,
        fractions=fractions,
        fewest_rows=fewest_rows,
        path=path,
        left_out=left_out,
    )
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
    left_out: str,
) -> None:
    short = [name for name in PARTS if len(rows[name]) < fewest_rows[name]]
    if not short:
        return
    lacking = ", ".join(
        f"{name} {len(rows[name])} of at least {fewest_rows[name]}" for name in short
    )
    wanted = max(math.ceil(fewest_rows[name] / fractions[name]) for name in PARTS)
    n_seen, n_groups = int(seen.sum()), len(np.unique(group_id))
    expected = f"about {wanted} good ones or more"
    if len(np.unique(group_id[~seen])) >= wanted:
        expected = f"more good ones: about {wanted} are enough on average, but chance put too few "
        expected += "of these there"
    words = f"expected {expected}; received {len(group_id)}"
    if n_seen:
        words += f", of which {n_seen} may have trained the base, and can only train again"
    if n_groups < len(group_id):
        words += f", in {n_groups} groups (one group_id, or one place on the sky), never cut in two"
    raise InputError(f"{path}: too few galaxies to fine-tune: {lacking}; {words}{left_out}")
