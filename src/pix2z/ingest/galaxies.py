"""Raw files -> galaxies.h5: validated, free of duplicates, in one layout.

Two passes over the pixels, `chunk_rows` stamps in memory at a time: one to judge the rows, one to
copy the good ones. Columns are held whole.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.dataset.store import write_galaxies
from pix2z.errors import InputError
from pix2z.files import atomic_path, file_digest, total_digest
from pix2z.imaging import BANDS, LARGEST_PIXEL, SOFTENED_UNIT
from pix2z.ingest.checks import (
    FLAG_MASKED,
    FLAG_NO_FLUX,
    StampFacts,
    absent_as_nan,
    column_faults,
    row_ranges,
    survey_facts,
)
from pix2z.ingest.duplicates import close_positions, repeated_between_groups, repeated_ids
from pix2z.ingest.plausibility import photometry_problems
from pix2z.ingest.raw import RawSurvey, RawTable
from pix2z.ingest.source import open_source

__all__ = ["ingest"]

logger = logging.getLogger(__name__)

LISTED_ROWS = 100
"""Bad rows listed per reason; all are counted."""


def ingest(
    raw_path: str | Path,
    output_path: str | Path,
    *,
    layout: str | None,
    z_min: float,
    z_max: float,
    duplicate_radius_arcsec: float,
    pdf_range: tuple[float, float] | None = None,
    mapping: Hdf5Mapping | None = None,
    check_photometry: bool = True,
    z_warnings: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    chunk_rows: int = 512,
) -> dict[str, Any]:
    """Write the good rows of a raw file or folder to `output_path`; return the report.

    Parameters
    ----------
    layout : as in `open_source`; None: detected.
    z_min, z_max : redshifts that are taken, the upper one excluded.
    pdf_range : limits of the redshift grid of the PDFs; None: z_min and z_max.
    mapping : where layout hdf5 keeps things.
    check_photometry : refuse images that do not look like galaxies in nanomaggies.
    z_warnings, classes : ZWARNING and spectral classes that are taken, where the file has them;
        None: all.

    Raises
    ------
    InputError
        A file cannot be read in this layout, has no redshifts, does not look like galaxies in
        nanomaggies, or no row is good; nothing is written then.
    """
    grid = (z_min, z_max) if pdf_range is None else pdf_range
    with open_source(raw_path, layout=layout, mapping=mapping) as survey:
        table = survey.table
        if not table.has_redshifts:
            raise InputError(
                f"{raw_path}: no redshifts to learn from ({table.origin['z_spec']}); expected "
                "spectroscopic redshifts"
            )
        problems = _photometry(survey, refuse=check_photometry)
        facts = survey_facts(survey, chunk_rows=chunk_rows)
        faults = _faults(
            survey,
            facts,
            limits=column_faults(
                table,
                z_min=z_min,
                z_max=z_max,
                pdf_range=grid,
                z_warnings=z_warnings,
                classes=classes,
            ),
            duplicate_radius_arcsec=duplicate_radius_arcsec,
        )
        rows = np.flatnonzero(~np.any(list(faults.values()), axis=0))
        if not len(rows):
            counts = ", ".join(f"{reason}: {bad.sum()}" for reason, bad in faults.items())
            raise InputError(f"{raw_path}: no good row among {len(table)} ({counts})")
        digests = [file_digest(file.path) for file in survey.files]
        digest = total_digest([file.path for file in survey.files], digests)
        with atomic_path(output_path) as partial:
            write_galaxies(
                partial,
                columns=_columns(table, facts, rows),
                blocks=_blocks(survey, rows, chunk_rows),
                source=survey.source,
                source_sha256=digest,
            )
            if survey.converted["unit"] == SOFTENED_UNIT:
                _say_softened(partial)
        # Only now: where nothing is written, the error is the one line that is said.
        for problem in problems:
            logger.warning("%s: images: %s", survey.path, problem)
        logger.info("%d of %d rows of %s are good", len(rows), len(table), survey.path.name)
        return {
            "raw": _raw_report(survey, digests, digest),
            "limits": {"redshift": [z_min, z_max], "pdf_grid": list(grid)},
            "photometry": {"checked": check_photometry, "problems": list(problems)},
            **_rows_report(table, facts, faults, rows),
        }


def _say_softened(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["unit"] = SOFTENED_UNIT


def _photometry(survey: RawSurvey, *, refuse: bool) -> tuple[str, ...]:
    problems = photometry_problems(survey)
    if problems and refuse:
        raise InputError(
            f"{survey.path}: images: {'; '.join(problems)}; to take them as they are, set "
            "ingest.check_photometry: false"
        )
    return problems


def _faults(
    survey: RawSurvey,
    facts: StampFacts,
    *,
    limits: dict[str, NDArray[np.bool_]],
    duplicate_radius_arcsec: float,
) -> dict[str, NDArray[np.bool_]]:
    """Reason -> (N,) rows left out for it; a row is left out for its first reason only."""
    table = survey.table
    beyond = f"a pixel is infinite or beyond {LARGEST_PIXEL:g} nanomaggies"
    faults = {beyond: facts.impossible, "all bands are blank": facts.blank} | limits
    taken = np.zeros(len(table), np.bool_)
    for reason, bad in faults.items():
        faults[reason] = bad & ~taken
        taken |= bad

    def add(reason: str, bad_among_good: NDArray[np.bool_]) -> None:
        faults[reason] = np.zeros(len(table), np.bool_)
        faults[reason][np.flatnonzero(~taken)] = bad_among_good
        taken[faults[reason]] = True

    # Each search sees the rows that the ones before have left.
    add("duplicate: object id seen before", repeated_ids(table.object_id[~taken]))
    if table.has_positions:
        try:
            close = close_positions(
                table.ra[~taken],
                table.dec[~taken],
                table.group_id[~taken],
                radius_arcsec=duplicate_radius_arcsec,
            )
        except ValueError as error:
            raise InputError(f"{survey.path}: {error}") from error
        add(f"duplicate: within {duplicate_radius_arcsec:g} arcsec of another group", close)
    same_pixels = repeated_between_groups(facts.digest[~taken], table.group_id[~taken])
    add("duplicate: same pixels as in another group", same_pixels)
    return faults


def _columns(
    table: RawTable, facts: StampFacts, rows: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    return {
        "specz_redshift": table.z_spec[rows],
        "specz_redshift_err": table.z_error[rows],
        "object_id": table.object_id[rows],
        "group_id": table.group_id[rows],
        "ra": table.ra[rows],
        "dec": table.dec[rows],
        "ebv": table.ebv[rows],
        "mag_r": facts.mag_r[rows],
        "seeing": table.seeing[rows],
        "row_origin": rows,
        "moved": table.moved[rows],
        "flags": facts.flags[rows],
    }


def _blocks(
    survey: RawSurvey, rows: NDArray[np.int64], chunk_rows: int
) -> Iterator[NDArray[np.float32]]:
    """Stamps of the good rows, in order."""
    n = len(survey.table)
    for start, stop in row_ranges(n, chunk_rows=chunk_rows, doing="copied"):
        first, last = np.searchsorted(rows, [start, stop])
        if first < last:
            yield absent_as_nan(survey.read_images(start, stop)[rows[first:last] - start])


def _raw_report(survey: RawSurvey, digests: Sequence[str], digest: str) -> dict[str, Any]:
    files = zip(survey.files, digests, strict=True)
    return {
        "name": survey.path.name,
        "layout": survey.layout,
        "source": survey.source,
        "sha256": digest,
        "files": [
            {"name": file.path.name, "rows": file.n_rows, "sha256": sha256}
            for file, sha256 in files
        ],
        "pixels": dict(survey.converted),
    }


def _rows_report(
    table: RawTable,
    facts: StampFacts,
    faults: dict[str, NDArray[np.bool_]],
    rows: NDArray[np.int64],
) -> dict[str, Any]:
    flags = facts.flags[rows]
    return {
        "columns_from": dict(table.origin),
        "duplicates_searched_by": [
            *(["object_id"] if table.has_ids else []),
            *(["position"] if table.has_positions else []),
            "pixels",
        ],
        "n_raw": len(table),
        "n_good": len(rows),
        "n_bad": len(table) - len(rows),
        "n_groups": len(np.unique(table.group_id[rows])),
        "n_moved": int(table.moved[rows].sum()),
        "bad": {
            reason: {"count": int(bad.sum()), "rows": np.flatnonzero(bad)[:LISTED_ROWS].tolist()}
            for reason, bad in faults.items()
        },
        "good_with": {
            **{
                f"band {band} absent": int(((flags >> bit) & 1).sum())
                for bit, band in enumerate(BANDS)
            },
            "masked pixels": int((flags & FLAG_MASKED != 0).sum()),
            "no positive r flux": int((flags & FLAG_NO_FLUX != 0).sum()),
        },
    }
