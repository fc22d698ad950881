"""Tables of redshifts as Parquet or CSV, written as they come."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from pix2z.catalogue.columns import COLUMNS

__all__ = ["FORMATS", "ROW_GROUP", "TableWriter", "table_writer"]

FORMATS = (".parquet", ".csv")

ROW_GROUP = 65_536
"""Rows per group of a Parquet file: what is held before it is written, 3 MB."""


class TableWriter:
    """Takes columns block by block; made by `table_writer`."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        """Write through `writer`, a Parquet or CSV writer of pyarrow."""
        self._writer, self._schema = writer, schema
        self._held: list[pa.Table] = []
        self._n_held = 0

    def append(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Add rows: every column of `COLUMNS`, (n,)."""
        arrays = [pa.array(columns[name]) for name in self._schema.names]
        self._held.append(pa.Table.from_arrays(arrays, schema=self._schema))
        self._n_held += len(self._held[-1])
        if self._n_held >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            self._writer.write_table(pa.concat_tables(self._held).combine_chunks())
        self._held, self._n_held = [], 0


@contextmanager
def table_writer(path: Path, *, metadata: Mapping[str, str]) -> Iterator[TableWriter]:
    """Write a table in the format of the suffix, one of `FORMATS`.

    .parquet is compressed with zstd, and carries `metadata` and the meaning of each column; .csv
    has a header, numbers that read back as the same float32, and ``nan`` for no value. It is
    written in place: `files.atomic_path` gives a path to write to.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    schema = _schema(metadata)
    with path.open("wb") as file:
        writer = _writer(path.suffix, file, schema)
        table = TableWriter(writer, schema)
        try:
            yield table
            table.flush()
        except BaseException:
            with suppress(OSError):  # a second complaint of a full disk would hide the first
                writer.close()
            raise
        writer.close()
        file.flush()
        os.fsync(file.fileno())  # a file system may report a full disk only here


def _schema(metadata: Mapping[str, str]) -> pa.Schema:
    fields = [
        pa.field(
            name,
            pa.from_numpy_dtype(column.dtype),
            nullable=False,
            metadata={"description": column.meaning},
        )
        for name, column in COLUMNS.items()
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
