"""Tables of redshifts as Parquet or CSV, and PDFs in qp's format beside them.

Both are written as redshifts come, so that memory does not grow with the number of galaxies.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from pix2z.catalogue.overview import Overview
from pix2z.files import atomic_path, named_write_errors
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import COLUMNS, Column, Redshifts

__all__ = ["FORMATS", "ROW_GROUP", "table_and_pdfs", "table_writer", "write_catalogue"]

FORMATS = (".parquet", ".csv")

ROW_GROUP = 65_536
"""Rows per group of a Parquet file: what is held before it is written, 3 MB."""

Rows = Mapping[str, NDArray[Any]]
"""Column -> (n,) values."""

Append = Callable[[Rows], None]


def write_catalogue(
    estimates: Iterator[tuple[NDArray[np.int64], Redshifts]],
    *,
    object_id: NDArray[np.int64],
    grid: RedshiftGrid,
    out: Path,
    pdf: Path | None,
    metadata: Mapping[str, str],
    advance: Callable[[int], None],
) -> Overview:
    """Write estimates as they come; both files are put in place when both are whole, or neither.

    Returns what is to be said of them.

    Parameters
    ----------
    estimates : (rows, their redshifts), rows 0 to N - 1 in order.
    object_id : (N,) ids of all rows.
    out, pdf : .parquet or .csv; .hdf5 or None.
    metadata : what a .parquet file says of itself.
    advance : called with the number of galaxies just written.

    Raises
    ------
    InputError
        A file cannot be written.
    """
    n = len(object_id)
    overview = Overview(n, grid)
    with table_and_pdfs(out, pdf, grid=grid, n_pdfs=n, metadata=metadata) as (append, append_pdfs):
        for rows, estimate in estimates:
            values = estimate.columns(object_id[rows])
            append(values)
            append_pdfs(estimate.density, values)
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
) -> Iterator[tuple[Append, Callable[[NDArray[np.float64], Rows], None]]]:
    """Write a table, and PDFs beside it where `pdf` is no None: both are put in place, or neither.

    Yields what to call with rows of the table, as `table_writer`, and what to call with PDFs
    (n, K) on `grid`, `n_pdfs` in all, and their columns, those of `COLUMNS`.

    Raises
    ------
    InputError
        A file cannot be written.
    """
    with ExitStack() as renames, ExitStack() as writers:
        # Writers finish on names of their own, so that no full disk lies between the two renames.
        partial = renames.enter_context(atomic_path(out))
        write = writers.enter_context(table_writer(partial, metadata=metadata, columns=columns))
        if pdf is not None:
            from pix2z.redshift_pdf.qp_files import pdf_writer  # qp is of the extra [train]

            partial = renames.enter_context(atomic_path(pdf))
            dtypes = {name: column.dtype for name, column in COLUMNS.items()}
            pdfs = writers.enter_context(pdf_writer(partial, grid, n=n_pdfs, columns=dtypes))

        def append(rows: Rows) -> None:
            with named_write_errors(out):
                write(rows)

        def append_pdfs(density: NDArray[np.float64], rows: Rows) -> None:
            if pdf is not None:
                with named_write_errors(pdf), warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message=".*non-finite")  # blank stamps
                    pdfs.append(density, rows)

        yield append, append_pdfs
        with named_write_errors(pdf or out):
            writers.close()
        renames.close()


@contextmanager
def table_writer(
    path: Path, *, metadata: Mapping[str, str], columns: Mapping[str, Column] = COLUMNS
) -> Iterator[Append]:
    """Write a table in the format of the suffix, one of `FORMATS`.

    Yields what to call with rows, block by block: every column of `columns`, (n,). .parquet is
    compressed with zstd, and carries `metadata` and the meaning of each column; .csv has a header,
    numbers that read back as the same float32, and ``nan`` for no value. It is written in place:
    `files.atomic_path` gives a path to write to.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    schema = _schema(metadata, columns)
    held: list[pa.Table] = []
    with path.open("wb") as file:
        writer = _writer(path.suffix, file, schema)

        def write_held() -> None:
            writer.write_table(pa.concat_tables(held).combine_chunks())
            held.clear()

        def append(rows: Rows) -> None:
            arrays = [pa.array(rows[name]) for name in schema.names]
            held.append(pa.Table.from_arrays(arrays, schema=schema))
            if sum(map(len, held)) >= ROW_GROUP:
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
            pa.from_numpy_dtype(column.dtype),
            nullable=False,
            metadata={"description": column.meaning},
        )
        for name, column in columns.items()
    ]
    return pa.schema(fields, metadata=dict(metadata))


def _writer(suffix: str, file: Any, schema: pa.Schema) -> Any:
    if suffix == ".parquet":
        return pa.parquet.ParquetWriter(file, schema, compression="zstd")
    if suffix != ".csv":
        raise ValueError(f"suffix: expected one of {', '.join(FORMATS)}; received {suffix!r}")
    file.write(f"{','.join(schema.names)}\n".encode())  # pyarrow would put names in quotes
    options = pa.csv.WriteOptions(include_header=False)
    return pa.csv.CSVWriter(file, schema, write_options=options)
