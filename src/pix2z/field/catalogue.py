"""Redshifts of the galaxies of a field, and its table, a row per source."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray

from pix2z.archive.frames import Frame
from pix2z.catalogue.estimates import model_facts
from pix2z.catalogue.estimator import Estimator
from pix2z.catalogue.overview import Overview
from pix2z.catalogue.tables import table_and_pdfs
from pix2z.field.frames import cut_all
from pix2z.field.sources import FLUX_RADIUS, SOURCE_FLAG_MEANINGS, SourceFlag, Sources
from pix2z.files import as_text, file_digest
from pix2z.imaging import BANDS
from pix2z.redshift_pdf.flags import in_words
from pix2z.redshift_pdf.redshifts import ATTRIBUTES, COLUMNS, Column, Redshifts

__all__ = ["SOURCE_COLUMNS", "estimate_galaxies", "field_facts", "is_finished", "write_field"]

F4 = np.float32
SOURCE_COLUMNS: Mapping[str, Column] = {
    "object_id": Column(np.int64, "of the list, or its rank by brightness, from 1"),
    "ra": Column(np.float64, "right ascension, degrees"),
    "dec": Column(np.float64, "declination, degrees"),
    "x": Column(F4, "column of the r frame, pixels from 0"),
    "y": Column(F4, "row of the r frame, pixels from 0"),
    "mag_r": Column(F4, "Petrosian AB magnitude in r, Galactic extinction not taken off"),
    "mag_r_err": Column(F4, "its error by the noise of the sky, magnitudes"),
    "half_light_radius": Column(F4, "Petrosian half-light radius in r, arcsec, seeing included"),
    "excess_spread": Column(F4, "magnitudes by which it is broader than a star of the field"),
    "is_galaxy": Column(np.int8, "1: a galaxy, 0: a star"),
    "source_flags": Column(np.int32, f"sum of bits; {in_words(SOURCE_FLAG_MEANINGS)}"),
    **{
        f"flux_{band}{end}": Column(
            F4, f"{what} in {band} within {FLUX_RADIUS:g} arcsec, nanomaggies"
        )
        for band in BANDS
        for end, what in (("", "flux"), ("_err", "error by the noise of the sky of the flux"))
    },
}
"""Columns of a source; those of its redshift follow."""


def estimate_galaxies(
    estimator: Estimator,
    frames: Mapping[str, Frame],
    sources: Sources,
    *,
    listed: bool,
    ebv: float | None,
) -> tuple[NDArray[np.int64], Redshifts]:
    """Rows (n,) of the galaxies above the limit, or of all where they were `listed`; redshifts.

    Each is cut out of every band at its place on the sky.
    """
    left_out = SourceFlag.TOO_FAINT | SourceFlag.NO_MAGNITUDE
    rows = np.flatnonzero(listed | (sources.is_galaxy & (sources.flags & left_out == 0)))
    images = cut_all(frames, sources.ra[rows], sources.dec[rows])
    return rows, estimator.estimate(images, np.full(len(rows), np.nan if ebv is None else ebv))


def write_field(
    sources: Sources,
    rows: NDArray[np.int64],
    estimate: Redshifts,
    *,
    out: Path,
    pdf: Path | None,
    metadata: Mapping[str, str],
) -> Overview:
    """Write all sources with the redshifts of `rows`, NaN for others; return what is to be said.

    Raises InputError where a file cannot be written; then none is.
    """
    overview = Overview(len(rows), estimate.grid)
    overview.add(np.arange(len(rows)), estimate)
    columns = {**SOURCE_COLUMNS, **{name: COLUMNS[name] for name in ATTRIBUTES}}
    writing = table_and_pdfs(
        out, pdf, grid=estimate.grid, n_pdfs=len(rows), metadata=metadata, columns=columns
    )
    with writing as (append, append_pdfs):
        values = estimate.columns(names=ATTRIBUTES)
        append({**_of_all(values, rows, len(sources)), **_source_columns(sources)})
        append_pdfs(estimate, sources.object_id[rows])
    return overview


def field_facts(
    estimator: Estimator, paths: Sequence[Path], *, ebv: float | None, limit: float
) -> Mapping[str, str]:
    """Model, frames and meaning of the flags, for the metadata of a table."""
    facts = {
        **model_facts(estimator),
        "version": version("pix2z"),
        "input": json.dumps([as_text(path.name) for path in paths]),
        "input_sha256": json.dumps({as_text(path.name): file_digest(path) for path in paths}),
        "ebv": "unknown" if ebv is None else f"{ebv:g} mag for every galaxy",
        "limit": f"{limit:g} mag in r, Petrosian, without Galactic extinction where it is known",
        "source_flags": in_words(SOURCE_FLAG_MEANINGS),
    }
    return {f"pix2z.{key}": value for key, value in facts.items()}


def is_finished(out: Path, facts: Mapping[str, str]) -> bool:
    """Whether a .parquet file is the table that `field_facts` tells of: frames, model, limit."""
    try:
        said = pyarrow.parquet.read_schema(out).metadata or {}
    except (OSError, pyarrow.ArrowException):
        return False
    return all(said.get(key.encode()) == value.encode() for key, value in facts.items())


def _of_all(
    values: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], n: int
) -> dict[str, NDArray[Any]]:
    """Columns (n,) of values that only `rows` have: NaN, or no flags, for the others."""
    spread = {}
    for name, some in values.items():
        spread[name] = np.full(n, np.nan if some.dtype.kind == "f" else 0, some.dtype)
        spread[name][rows] = some
    return spread


def _source_columns(sources: Sources) -> dict[str, NDArray[Any]]:
    per_magnitude = 2.5 / np.log(10)
    values: dict[str, Any] = {
        "object_id": sources.object_id,
        "ra": sources.ra,
        "dec": sources.dec,
        "x": sources.x,
        "y": sources.y,
        "mag_r": sources.magnitude,
        "mag_r_err": per_magnitude * sources.error / sources.flux,
        "half_light_radius": sources.half_light,
        "excess_spread": sources.excess,
        "is_galaxy": sources.is_galaxy,
        "source_flags": sources.flags,
    }
    for band, name in enumerate(BANDS):
        values[f"flux_{name}"] = sources.circle[:, band]
        values[f"flux_{name}_err"] = sources.circle_error[:, band]
    return {name: values[name].astype(column.dtype) for name, column in SOURCE_COLUMNS.items()}
