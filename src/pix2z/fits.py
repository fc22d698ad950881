"""The boundary to FITS files that others wrote: whatever is wrong with one is one clear line."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits

from pix2z.errors import InputError, Pix2zError
from pix2z.files import FITS
from pix2z.hdf5 import DAMAGE, in_one_line, other_format

__all__ = ["FITS_DAMAGE", "opened_fits", "reading_fits"]

FITS_DAMAGE = (*DAMAGE, AssertionError, fits.VerifyError)
"""What astropy and numpy raise where bytes are not what they should be."""

PACKED = (b"\x1f\x8b", b"BZh")
"""What a file begins with that is packed by gzip or bzip2."""


@contextmanager
def reading_fits(path: str | Path, what: str) -> Iterator[None]:
    """Turn an error of reading a damaged file into InputError; astropy's warnings are not shown.

    what : that the file is not, as "an SDSS spectrum".
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Of a file that was cut, what is left of it would be read.
        warnings.filterwarnings("error", "(?s).*(may have been truncated|the file is corrupted)")
        try:
            yield
        except Pix2zError:
            raise
        except Exception as error:  # of packed images astropy raises one that it does not export
            raise InputError(
                f"{path}: damaged, or not {what} in FITS ({in_one_line(error)})"
            ) from error


@contextmanager
def opened_fits(path: str | Path) -> Iterator[fits.HDUList]:
    """Open a file; where it is damaged astropy forgets to close it, so that it is opened here.

    Raises InputError where it is a file of another format, or a header says no size that can be.
    """
    if other := other_format(path, FITS, *PACKED):
        raise InputError(f"{path}: expected FITS; received {other}")
    with Path(path).open("rb") as file, fits.open(file, memmap=False) as hdus:
        end = -1
        for number, hdu in enumerate(hdus):
            start, shape = hdu.fileinfo()["hdrLoc"], getattr(hdu, "shape", ())
            # Of a size below 0 astropy would read the same HDU again, without end.
            if start <= end or not all(side is not None and side >= 0 for side in shape):
                raise InputError(
                    f"{path}: damaged: HDU {number}, or the one before it, has no size"
                )
            end = start
        yield hdus
