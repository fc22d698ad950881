"""SDSS spectra: ``spec-PPPPP-MMMMM-FFFF.fits`` (or ``spec-PPPP-...``), as SDSS serves them.

HDU 1 holds flux, ivar and best-fit model against log10 of the vacuum wavelength, in the frame of
the observer (heliocentric); HDU 2 the redshift, its warnings, the class, and the photometric object
that was observed. Spectra are not corrected for Galactic extinction.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pix2z.errors import InputError

__all__ = ["FLUX_UNIT", "SdssSpectrum", "read_sdss_spectrum"]

FLUX_UNIT = "1e-17 erg / (s cm2 Angstrom)"

_COADD = ("flux", "loglam", "ivar", "model")
_SPECOBJ = ("Z", "Z_ERR", "ZWARNING", "CLASS", "PLUG_RA", "PLUG_DEC", "OBJID")


@dataclass(frozen=True)
class SdssSpectrum:
    """One spectrum of L pixels, log-spaced, and what SDSS says of its object.

    wavelength : (L,) Angstrom in vacuum, as observed; flux, model : (L,) in `FLUX_UNIT`.
    ivar : (L,) inverse variance of the flux, 0 where a pixel is bad.
    run, camcol, field : of the photometric object; 0, 0, 0 where the file names none.
    """

    path: Path
    wavelength: NDArray[np.float64]
    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    model: NDArray[np.float32]
    z: float
    z_error: float
    z_warning: int
    spectral_class: str
    ra: float
    dec: float
    run: int
    camcol: int
    field: int


def read_sdss_spectrum(path: str | Path) -> SdssSpectrum:
    """Read a spectrum; raise InputError naming the file where it is not one of SDSS's."""
    path = Path(path)
    try:
        with fits.open(path, memmap=False) as hdus:
            coadd = _columns(path, hdus, 1, _COADD)
            found = _columns(path, hdus, 2, _SPECOBJ)
    except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError) as error:
        reason = "no such file" if not path.exists() else " ".join(str(error).split())
        raise InputError(f"{path}: not an SDSS spectrum in FITS ({reason})") from error
    one = {name: values[0] for name, values in found.items()}
    run, _, camcol, field = (int(v) for v in np.ravel(one["OBJID"])[:4])
    return SdssSpectrum(
        path=path,
        wavelength=10.0 ** coadd["loglam"].astype(np.float64),
        flux=coadd["flux"].astype(np.float32),
        ivar=coadd["ivar"].astype(np.float32),
        model=coadd["model"].astype(np.float32),
        z=float(one["Z"]),
        z_error=float(one["Z_ERR"]),
        z_warning=int(one["ZWARNING"]),
        spectral_class=str(one["CLASS"]).strip(),
        ra=float(one["PLUG_RA"]),
        dec=float(one["PLUG_DEC"]),
        run=run,
        camcol=camcol,
        field=field,
    )


def _columns(
    path: Path, hdus: fits.HDUList, number: int, names: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """Columns of a table HDU, any case; raise InputError naming what is missing."""
    table = hdus[number].data if len(hdus) > number else None
    if table is None or not len(table):
        raise InputError(f"{path}: HDU {number} has no rows; expected an SDSS spectrum")
    columns = {name.lower(): name for name in table.names or ()}
    for name in names:
        if name.lower() not in columns:
            raise InputError(f"{path}: HDU {number} has no column {name!r}, as SDSS spectra have")
    return {name: np.array(table[columns[name.lower()]]) for name in names}
