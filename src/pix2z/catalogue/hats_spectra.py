"""Spectra of galaxies as a HATS catalogue: a row per galaxy, its spectrum a nested column."""

from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from pix2z.catalogue.hats import POSITIONS, check_hats_folder, write_hats
from pix2z.catalogue.tables import table_writer
from pix2z.files import PARTIAL
from pix2z.ingest.raw import RawTable
from pix2z.redshift_pdf.redshifts import Column
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
    with (
        TemporaryDirectory(prefix=f"{PARTIAL}hats-", dir=folder.parent) as beside,
        h5py.File(spectra, "r") as file,
    ):
        rows, columns = Path(beside) / "spectra.parquet", _columns(file)
        texts = {name: value for name, value in file.attrs.items() if isinstance(value, str)}
        facts = {f"pix2z.{name}": value for name, value in texts.items()}
        writing = table_writer(rows, metadata=facts, columns=columns, group_rows=BLOCK_ROWS)
        with writing as append:
            for start in range(0, len(table), BLOCK_ROWS):
                part = slice(start, start + BLOCK_ROWS)
                block = {name: getattr(table, name)[part] for name in POSITIONS}
                block |= {name: file[name][part] for name in columns if name in file}
                append({**block, "spectrum": _nested(file, part, columns["spectrum"].dtype)})
        write_hats([rows], folder)


def _columns(file: h5py.File) -> dict[str, Column]:
    """Columns of the table: of `file`, with positions, and the spectrum."""
    meaning = "; ".join(f"{name}: {what}" for name, what in NESTED.items())
    n_pixels = len(file["wavelength"])
    beside = [name for name in (*SPECTRUM_COLUMNS, "ebv") if name != "object_id"]
    return {
        "object_id": Column(np.int64, ""),
        **{name: Column(np.float64, "") for name in POSITIONS},
        **{name: Column(file[name].dtype, "") for name in beside},
        "spectrum": Column([(name, np.float32, (n_pixels,)) for name in NESTED], meaning),
    }


def _nested(file: h5py.File, part: slice, dtype: DTypeLike) -> NDArray[np.void]:
    """Spectra of some rows, with the wavelengths in each."""
    spectra = np.empty(len(file["object_id"][part]), dtype)
    for name in NESTED:
        spectra[name] = file[name][...] if name == "wavelength" else file[name][part]
    return spectra
