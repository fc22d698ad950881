"""What a prediction leaves behind: a table of redshifts and, if wanted, the PDFs in qp's format."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.catalogue.columns import COLUMNS, catalogue_columns
from pix2z.catalogue.flags import FLAG_MEANINGS
from pix2z.catalogue.write_errors import named_write_errors
from pix2z.catalogue.writers import table_writer
from pix2z.files import atomic_path
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.qp_files import pdf_writer
from pix2z.redshift_pdf.redshifts import Redshifts

__all__ = ["Outcome", "write_catalogue"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was written: point estimates (N,), NaN where there is none, and rows per flag bit."""

    z_phot: NDArray[np.float32]
    n_flagged: int
    n_by_flag: Mapping[int, int]


def write_catalogue(
    estimates: Iterator[tuple[NDArray[np.int64], Redshifts]],
    *,
    object_id: NDArray[np.int64],
    grid: RedshiftGrid,
    out: Path,
    pdf: Path | None,
    metadata: Mapping[str, str],
    advance: Callable[[int], None],
) -> Outcome:
    """Write estimates as they come; both files are put in place when both are whole, or neither.

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
    z_phot = np.full(n, np.nan, np.float32)
    n_by_flag = dict.fromkeys(FLAG_MEANINGS, 0)
    n_flagged = 0
    with ExitStack() as renames, ExitStack() as writers:
        # Writers finish on names of their own, so that no full disk lies between the two renames.
        with named_write_errors(out):
            partial = renames.enter_context(atomic_path(out))
            table = writers.enter_context(table_writer(partial, metadata=metadata))
        if pdf is not None:
            with named_write_errors(pdf):
                partial = renames.enter_context(atomic_path(pdf))
                dtypes = {name: column.dtype for name, column in COLUMNS.items()}
                pdfs = writers.enter_context(pdf_writer(partial, grid, n=n, columns=dtypes))
        for rows, found in estimates:
            values = catalogue_columns(object_id[rows], found)
            with named_write_errors(out):
                table.append(values)
            if pdf is not None:
                with named_write_errors(pdf), warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message=".*non-finite")  # blank stamps
                    pdfs.append(found.density, values)
            z_phot[rows] = found.z_phot
            n_flagged += int((found.flags != 0).sum())
            for bit in n_by_flag:
                n_by_flag[bit] += int((found.flags & bit != 0).sum())
            advance(len(rows))
        with named_write_errors(pdf or out):
            writers.close()
        with named_write_errors(out):
            renames.close()
    return Outcome(z_phot=z_phot, n_flagged=n_flagged, n_by_flag=n_by_flag)
