"""Tables of redshifts as Parquet or CSV, and files of PDFs beside them.

Both are written as redshifts come, so that memory does not grow with the number of galaxies.
"""

import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from pix2z.catalogue.compact_pdfs import COLUMN, COMPACT_COLUMNS, ENCODING, as_quantiles, facts
from pix2z.catalogue.overview import Overview
from pix2z.errors import InputError
from pix2z.files import atomic_path, destination, named_write_errors
from pix2z.ingest.checks import off_the_sky
from pix2z.ingest.raw import RawTable
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import ATTRIBUTES, COLUMNS, Column, Redshifts

__all__ = ["ROW_GROUP", "chosen_columns", "table_and_pdfs", "table_writer", "write_catalogue"]

ROW_GROUP = 65_536
"""Rows per group of a Parquet file: what is held before it is written, 3 MB."""

Rows = Mapping[str, NDArray[Any]]
"""Column -> (n,) values."""

Append = Callable[[Rows], None]

AppendPdfs = Callable[[Redshifts, NDArray[np.int64]], None]
"""Takes redshifts and the ids of their galaxies (n,)."""

RAIL_KEYS: Mapping[str, str] = {"zmode": "z_mode", "zmedian": "z_median", "zmean": "z_mean"}
"""Ancillary array of a qp file that RAIL's evaluators look for -> attribute of `Redshifts`."""


def chosen_columns(text: str | None) -> tuple[str, ...]:
    """Names of `COLUMNS` out of "a,b,c", in this order; None takes all.

    Raises
    ------
    InputError
        A name is none of `COLUMNS`, or is there twice; the line lists the names.
    """
    if text is None:
        return tuple(COLUMNS)
    names = [name.strip() for name in text.split(",")]
    for place, name in enumerate(names):
        if name not in COLUMNS or name in names[:place]:
            received = f"{name!r} twice" if name in COLUMNS else repr(name)
            raise InputError(
                f"--columns: expected some of {', '.join(COLUMNS)}; received {received}"
            )
    return tuple(names)


def write_catalogue(
    estimates: Iterator[tuple[NDArray[np.int64], Redshifts]],
    table: RawTable,
    *,
    grid: RedshiftGrid,
    out: Path,
    pdf: Path | None,
    metadata: Mapping[str, str],
    advance: Callable[[int], None],
    columns: Collection[str] = tuple(COLUMNS),
    overview: Overview | None = None,
) -> Overview:
    """Write estimates as they come; both files are put in place when both are whole, or neither.

    Returns what is to be said of them.

    Parameters
    ----------
    estimates : (rows, their redshifts), rows 0 to N - 1 in order.
    table : with ids and positions of all rows; those off the sky are written as NaN.
    out : .parquet or .csv.
    pdf : .hdf5 for whole PDFs, as qp reads them, .parquet for `compact_pdfs`, None for none.
    metadata : what a .parquet file says of itself.
    advance : called with the number of galaxies just written.
    columns : of the table, names of `COLUMNS` in this order; nothing else is computed.
    overview : which takes the estimates in; None makes one that looks at `columns`.

    Raises
    ------
    InputError
        A file cannot be written.
    """
    overview = overview or Overview(len(table), grid, columns=columns)
    writing = table_and_pdfs(
        out,
        pdf,
        grid=grid,
        n_pdfs=len(table),
        metadata=metadata,
        columns={name: COLUMNS[name] for name in columns},
    )
    all_ra, all_dec = np.where(off_the_sky(table), np.nan, [table.ra, table.dec])
    with writing as (append, append_pdfs):
        for rows, estimate in estimates:
            object_id, ra, dec = table.object_id[rows], all_ra[rows], all_dec[rows]
            append(estimate.columns(object_id, ra=ra, dec=dec, names=columns))
            append_pdfs(estimate, object_id)
            overview.add(rows, estimate)
            advance(len(rows))
    return overview


@contextmanager
def table_and_pdfs(
    out: Path,
    pdf: Path | None,
    *,
    grid: RedshiftGrid,
    n_pdfs: int,
    metadata: Mapping[str, str],
    columns: Mapping[str, Column] = COLUMNS,
) -> Iterator[tuple[Append, AppendPdfs]]:
    """Write a table, and PDFs beside it where `pdf` is no None: both are put in place, or neither.

    Yields what to call with rows of the table, as `table_writer`, and what to call with redshifts
    on `grid`, `n_pdfs` in all, and their ids.

    Raises
    ------
    InputError
        A file cannot be written, or both are one.
    """
    if pdf is not None and _place(pdf) == _place(out):
        raise InputError(f"{pdf}: is the table itself; expected another name for the PDFs")
    with ExitStack() as renames, ExitStack() as writers:
        # Writers finish on names of their own, so that no full disk lies between the two renames.
        partial = renames.enter_context(atomic_path(out))
        write = writers.enter_context(table_writer(partial, metadata=metadata, columns=columns))
        if pdf is not None:
            partial = renames.enter_context(atomic_path(pdf))
            write_pdfs = writers.enter_context(
                _pdf_file(partial, grid, n=n_pdfs, metadata=metadata, columns=columns)
            )

        def append(rows: Rows) -> None:
            with named_write_errors(out):
                write(rows)

        def append_pdfs(estimate: Redshifts, object_id: NDArray[np.int64]) -> None:
            if pdf is not None:
                with named_write_errors(pdf), warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message=".*non-finite")  # blank stamps
                    write_pdfs(estimate, object_id)

        yield append, append_pdfs
        with named_write_errors(pdf or out):
            writers.close()
        renames.close()


def _place(path: Path) -> Path:
    """Where a file is written, however it was spelled."""
    written = destination(path)
    return written.parent.resolve() / written.name


@contextmanager
def _pdf_file(
    path: Path,
    grid: RedshiftGrid,
    *,
    n: int,
    metadata: Mapping[str, str],
    columns: Mapping[str, Column],
) -> Iterator[AppendPdfs]:
    """Write n PDFs in the format of the suffix; a qp file has `columns` of redshifts, too."""
    if path.suffix == ".parquet":
        about = {**metadata, **facts(grid)}
        writing = table_writer(path, metadata=about, columns=COMPACT_COLUMNS, parquet=ENCODING)
        with writing as write:
            yield lambda estimate, object_id: write(
                {"object_id": object_id, COLUMN: as_quantiles(estimate.density, grid)}
            )
        return
    from pix2z.redshift_pdf.qp_files import pdf_writer

    names = ["object_id", *(name for name in ATTRIBUTES if name in columns)]
    dtypes = {name: COLUMNS[name].dtype for name in names}
    dtypes |= dict.fromkeys(RAIL_KEYS, np.float32)
    with pdf_writer(path, grid, n=n, columns=dtypes) as pdfs:

        def append(estimate: Redshifts, object_id: NDArray[np.int64]) -> None:
            beside: Rows = {key: getattr(estimate, name) for key, name in RAIL_KEYS.items()}
            pdfs.append(estimate.density, {**estimate.columns(object_id, names=names), **beside})

        yield append


@contextmanager
def table_writer(
    path: Path,
    *,
    metadata: Mapping[str, str],
    columns: Mapping[str, Column] = COLUMNS,
    parquet: Mapping[str, Any] | None = None,
    group_rows: int = ROW_GROUP,
) -> Iterator[Append]:
    """Write a table in the format of the suffix, .parquet or .csv.

    Yields what to call with rows, block by block: every column of `columns`, (n,); one whose dtype
    is a structure of lists is nested, which .csv does not take. .parquet is
    compressed with zstd, and carries `metadata` and the meaning of each column; .csv has a header,
    numbers that read back as the same float32, and ``nan`` for no value. It is written in place:
    `files.atomic_path` gives a path to write to.

    Parameters
    ----------
    parquet : options of pyarrow's `ParquetWriter`, for a .parquet file.
    group_rows : how many are held before they are written.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    schema = _schema(metadata, columns)
    held: list[pa.Table] = []
    with path.open("wb") as file:
        writer = _writer(path.suffix, file, schema, parquet or {})

        def write_held() -> None:
            writer.write_table(pa.concat_tables(held).combine_chunks())
            held.clear()

        def append(rows: Rows) -> None:
            arrays = [_arrow(rows[name]) for name in schema.names]
            held.append(pa.Table.from_arrays(arrays, schema=schema))
            if sum(map(len, held)) >= group_rows:
                write_held()

        try:
            yield append
            if held:
                write_held()
        except BaseException:
            with suppress(OSError):  # a second complaint of a full disk would hide the first
                writer.close()
            raise
        writer.close()
        file.flush()
        os.fsync(file.fileno())  # a file system may report a full disk only here


def _schema(metadata: Mapping[str, str], columns: Mapping[str, Column]) -> pa.Schema:
    fields = [
        pa.field(
            name,
            _arrow_type(np.dtype(column.dtype)),
            nullable=False,
            metadata={"description": column.meaning} if column.meaning else None,
        )
        for name, column in columns.items()
    ]
    return pa.schema(fields, metadata=dict(metadata))


def _arrow_type(dtype: np.dtype[Any]) -> pa.DataType:
    """Type of a column; a structure of lists is nested, as nested-pandas has it."""
    if not dtype.names:
        return pa.from_numpy_dtype(dtype)
    return pa.struct(
        [(name, pa.list_(pa.from_numpy_dtype(dtype[name].base))) for name in dtype.names]
    )


def _arrow(values: NDArray[Any]) -> pa.Array:
    names = values.dtype.names
    if not names:
        return _numbers(values)
    lists = []
    for name in names:
        n, length = values[name].shape
        starts = _numbers(np.arange(0, (n + 1) * length, length, dtype=np.int32))
        lists.append(pa.ListArray.from_arrays(starts, _numbers(values[name].ravel())))
    return pa.StructArray.from_arrays(lists, names)


def _numbers(values: NDArray[Any]) -> pa.Array:
    """Do what `pa.array` does, which imports pandas first: half of a second for the first row."""
    whole = np.ascontiguousarray(values)
    numbers = pa.from_numpy_dtype(whole.dtype)
    return pa.Array.from_buffers(numbers, len(whole), [None, pa.py_buffer(whole)])


def _writer(suffix: str, file: Any, schema: pa.Schema, options: Mapping[str, Any]) -> Any:
    if suffix == ".parquet":
        return pa.parquet.ParquetWriter(file, schema, compression="zstd", **options)
    file.write(f"{','.join(schema.names)}\n".encode())  # pyarrow would put names in quotes
    without = pa.csv.WriteOptions(include_header=False)
    return pa.csv.CSVWriter(file, schema, write_options=without)
