"""Raw files -> galaxies.h5: validated, free of duplicates, in one layout.

Two passes over the pixels, `chunk_rows` stamps in memory at a time: one to judge the rows, one to
copy the good ones. Columns are held whole.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.dataset.stamps import clean_images, impossible_ebv, known_ebv
from pix2z.dataset.store import write_galaxies
from pix2z.errors import InputError
from pix2z.files import atomic_path, file_digest, files_of, total_digest
from pix2z.imaging import BANDS, LARGEST_PIXEL, SOFTENED_UNIT
from pix2z.ingest.checks import (
    FLAG_MASKED,
    FLAG_NO_FLUX,
    RowLimits,
    StampFacts,
    column_faults,
    ebv_problems,
    first_faults,
    redshift_problems,
    row_ranges,
    survey_facts,
)
from pix2z.ingest.duplicates import close_positions, repeated_between_groups, repeated_ids
from pix2z.ingest.plausibility import photometry_problems
from pix2z.ingest.positions import position_doubts, position_problems
from pix2z.ingest.raw import RawSurvey, RawTable
from pix2z.ingest.source import open_source

__all__ = ["ingest"]

logger = logging.getLogger(__name__)

LISTED_ROWS = 100
"""Bad rows listed per reason; all are counted."""

BYTES_OF_GALAXY = 4 * 32 * 32 * 5 + 128
"""A stamp in float32, and about what its columns take."""


@dataclass(frozen=True)
class _Judged:
    """What is known of the N rows of a survey.

    facts : of their stamps. faults : reason -> (N,) rows left out for it, each for its first.
    good : (n,) numbers of the rows without fault.
    """

    facts: StampFacts
    faults: Mapping[str, NDArray[np.bool_]]
    good: NDArray[np.int64]


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
    unchecked_by: str = "set ingest.check_photometry: false",
    z_warnings: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    chunk_rows: int = 512,
) -> dict[str, Any]:
    """Write the good rows of a raw file or folder to `output_path`; return the report.

    Parameters
    ----------
    layout : as in `open_source`; None: detected.
    z_min, z_max, pdf_range, z_warnings, classes : as in `RowLimits`; without a `pdf_range` that of
        the PDFs is z_min to z_max.
    duplicate_radius_arcsec : rows of another group within it show the same galaxy.
    mapping : as in `open_source`.
    check_photometry : refuse images that do not look like galaxies in nanomaggies, positions that
        do not look like degrees, and redshifts of which too many are one exact value.
    unchecked_by : what a user does against that, for the message.

    Raises
    ------
    InputError
        A file cannot be read in this layout, has no redshifts, is refused by `check_photometry`, or
        no row is good; nothing is written then.
    """
    limits = RowLimits(z_min, z_max, pdf_range or (z_min, z_max), z_warnings, classes)
    with open_source(raw_path, layout=layout, mapping=mapping) as survey:
        problems = _problems(survey, limits, unchecked_by if check_photometry else None)
        judged = _judge(survey, limits, duplicate_radius_arcsec, chunk_rows)
        source = files_of(raw_path)
        others = [path for file in survey.files for path in file.paths if path not in source]
        digests = {path: file_digest(path) for path in (*source, *others)}
        digest = total_digest(source, [digests[path] for path in source])
        _write(output_path, survey, judged, chunk_rows=chunk_rows, source_sha256=digest)
        # Only now: where nothing is written, the error is the one line that is said.
        table = survey.table
        for problem in (*problems, *ebv_problems(table), *position_doubts(table)):
            logger.warning("%s: %s", survey.path, problem)
        logger.info("%d of %d rows of %s are good", len(judged.good), len(table), survey.path.name)
        return {
            "raw": _raw_report(survey, digests, digest),
            "limits": {"redshift": [z_min, z_max], "pdf_grid": list(limits.pdf_range)},
            "photometry": {"checked": check_photometry, "problems": list(problems)},
            **_rows_report(table, judged),
        }


def _problems(survey: RawSurvey, limits: RowLimits, unchecked_by: str | None) -> tuple[str, ...]:
    """Return what is wrong with a survey as a whole; raise InputError where it is of no use.

    unchecked_by : what a user does to take a survey with problems; None: it is taken.
    """
    if not survey.table.has_redshifts:
        raise InputError(
            f"{survey.path}: no redshifts to learn from ({survey.table.origin['z_spec']}); "
            "expected spectroscopic redshifts"
        )
    images = tuple(f"images: {problem}" for problem in photometry_problems(survey))
    of_columns = *redshift_problems(survey.table, limits), *position_problems(survey.table)
    problems = (*images, *of_columns)
    if problems and unchecked_by:
        raise InputError(
            f"{survey.path}: {'; '.join(problems)}; to take them as they are, {unchecked_by}"
        )
    return problems


def _judge(
    survey: RawSurvey, limits: RowLimits, duplicate_radius_arcsec: float, chunk_rows: int
) -> _Judged:
    """Judge every row; raise InputError where none is good."""
    facts = survey_facts(survey, chunk_rows=chunk_rows)
    beyond = f"a pixel is infinite or beyond {LARGEST_PIXEL:g} nanomaggies"
    faults = {beyond: facts.impossible, "all bands are blank": facts.blank}
    faults = first_faults(faults | column_faults(survey.table, limits))
    good = ~np.any(list(faults.values()), axis=0)

    def leave_out(reason: str, bad_among_good: NDArray[np.bool_]) -> None:
        faults[reason] = np.zeros(len(good), np.bool_)
        faults[reason][np.flatnonzero(good)] = bad_among_good
        good[faults[reason]] = False

    # Each search for duplicates sees the rows that the ones before have left.
    table = survey.table
    leave_out("duplicate: object id seen before", repeated_ids(table.object_id[good]))
    if table.has_positions:
        places = table.ra[good], table.dec[good], table.group_id[good]
        try:
            close = close_positions(*places, radius_arcsec=duplicate_radius_arcsec)
        except ValueError as error:
            raise InputError(f"{survey.path}: {error}") from error
        reason = f"duplicate: within {duplicate_radius_arcsec:g} arcsec of another group"
        leave_out(reason, close)
    same_pixels = repeated_between_groups(facts.digest[good], table.group_id[good])
    leave_out("duplicate: same pixels as in another group", same_pixels)
    if not good.any():
        counts = ", ".join(f"{reason}: {bad.sum()}" for reason, bad in faults.items())
        raise InputError(f"{survey.path}: no good row among {len(good)} ({counts})")
    return _Judged(facts, faults, np.flatnonzero(good))


def _write(
    output_path: str | Path,
    survey: RawSurvey,
    judged: _Judged,
    *,
    chunk_rows: int,
    source_sha256: str,
) -> None:
    """Write galaxies.h5 of the good rows, atomically."""
    table, facts, rows = survey.table, judged.facts, judged.good
    columns: dict[str, NDArray[Any]] = {
        "specz_redshift": table.z_spec,
        "specz_redshift_err": table.z_error,
        "object_id": table.object_id,
        "group_id": table.group_id,
        "ra": table.ra,
        "dec": table.dec,
        "ebv": known_ebv(table.ebv),
        "mag_r": facts.mag_r,
        "seeing": table.seeing,
        "row_origin": np.arange(len(table)),
        "moved": table.moved,
        "flags": facts.flags,
    }
    with atomic_path(output_path, n_bytes=len(rows) * BYTES_OF_GALAXY) as partial:
        write_galaxies(
            partial,
            columns={name: values[rows] for name, values in columns.items()},
            blocks=_blocks(survey, rows, chunk_rows),
            source=survey.source,
            source_sha256=source_sha256,
        )
        if survey.softened:
            with h5py.File(partial, "r+") as file:
                file.attrs["unit"] = SOFTENED_UNIT


def _blocks(
    survey: RawSurvey, rows: NDArray[np.int64], chunk_rows: int
) -> Iterator[NDArray[np.float32]]:
    """Stamps of the good rows, in order."""
    n = len(survey.table)
    for start, stop in row_ranges(n, chunk_rows=chunk_rows, doing="copied"):
        first, last = np.searchsorted(rows, [start, stop])
        if first < last:
            yield clean_images(survey.read_images(start, stop)[rows[first:last] - start])


def _raw_report(survey: RawSurvey, digests: Mapping[Path, str], digest: str) -> dict[str, Any]:
    return {
        "name": survey.path.name,
        "layout": survey.layout,
        "source": survey.source,
        "sha256": digest,
        "files": [
            {
                "name": file.path.name,
                "rows": file.n_rows,
                "sha256": total_digest(file.paths, [digests[path] for path in file.paths]),
            }
            for file in survey.files
        ],
        "pixels": dict(survey.converted),
    }


def _rows_report(table: RawTable, judged: _Judged) -> dict[str, Any]:
    rows = judged.good
    flags = judged.facts.flags[rows]
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
            for reason, bad in judged.faults.items()
        },
        "good_with": {
            **{
                f"band {band} absent": int(((flags >> bit) & 1).sum())
                for bit, band in enumerate(BANDS)
            },
            "masked pixels": int((flags & FLAG_MASKED != 0).sum()),
            "no positive r flux": int((flags & FLAG_NO_FLUX != 0).sum()),
            "impossible E(B-V)": int(impossible_ebv(table.ebv[rows]).sum()),
        },
    }
