"""Spectra of galaxies as a HATS catalogue: a row per galaxy, its spectrum a nested column."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pix2z.catalogue.hats import POSITIONS, check_hats_folder, write_hats
from pix2z.files import PARTIAL
from pix2z.ingest.raw import RawTable
from pix2z.spectra.reconstructions import SPECTRUM_COLUMNS
from pix2z.wavelengths import FLUX_UNIT

__all__ = ["write_hats_spectra"]

NESTED = {
    "wavelength": "Angstrom, vacuum",
    "flux": FLUX_UNIT,
    "flux_error": f"half of the 68 % band, {FLUX_UNIT}",
    "flux_error95": f"half of the 95 % band, {FLUX_UNIT}",
}
"""Of the column ``spectrum``: each a list of as many numbers, float32."""

BLOCK_ROWS = 256
"""Spectra in memory at a time, 12 MB."""


def write_hats_spectra(spectra: Path, table: RawTable, folder: Path) -> None:
    """Partition the spectra of a survey into a HATS catalogue, as `hats.write_hats` does a table.

    Parameters
    ----------
    spectra : what `spectra.reconstructions` wrote of the survey with `table`, row by row; it stays.
    folder : as `hats.check_hats_folder` wants it.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    check_hats_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{PARTIAL}hats-", dir=folder.parent) as beside:
        rows = Path(beside) / "spectra.parquet"
        with h5py.File(spectra, "r") as file, _writer(rows, file) as writer:
            for start in range(0, len(table), BLOCK_ROWS):
                part = slice(start, start + BLOCK_ROWS)
                positions = {name: getattr(table, name)[part] for name in POSITIONS}
                writer.write_table(_rows(file, part, positions, writer.schema))
        write_hats([rows], folder)


@contextmanager
def _writer(path: Path, file: h5py.File) -> Iterator[pq.ParquetWriter]:
    """Open a Parquet file for spectra that says of itself what `file` does."""
    lists = pa.struct([(name, pa.list_(pa.float32())) for name in NESTED])
    meaning = "; ".join(f"{name}: {what}" for name, what in NESTED.items())
    columns = [name for name in (*SPECTRUM_COLUMNS, "ebv") if name != "object_id"]
    schema = pa.schema(
        [
            pa.field("object_id", pa.int64()),
            *(pa.field(name, pa.float64()) for name in POSITIONS),
            *(pa.field(name, pa.from_numpy_dtype(file[name].dtype)) for name in columns),
            pa.field("spectrum", lists, metadata={"description": meaning}),
        ],
        metadata={
            f"pix2z.{name}": value for name, value in file.attrs.items() if isinstance(value, str)
        },
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield writer


def _rows(
    file: h5py.File, part: slice, positions: dict[str, NDArray[Any]], schema: pa.Schema
) -> pa.Table:
    n = len(file["object_id"][part])
    of_all = np.asarray(file["wavelength"][...], np.float32)
    spectra = {name: file[name][part] for name in NESTED if name != "wavelength"}
    spectra = {"wavelength": np.broadcast_to(of_all, (n, len(of_all))), **spectra}
    offsets = pa.array(len(of_all) * np.arange(n + 1), pa.int32())
    lists = [
        pa.ListArray.from_arrays(offsets, pa.array(values.ravel(), pa.float32()))
        for values in spectra.values()
    ]
    columns = [
        pa.array(positions[name] if name in positions else file[name][part])
        for name in schema.names[:-1]
    ]
    nested = pa.StructArray.from_arrays(lists, names=list(spectra))
    return pa.Table.from_arrays([*columns, nested], schema=schema)
