"""SDSS spectra: ``spec-PPPPP-MMMMM-FFFF.fits`` (or ``spec-PPPP-...``), as SDSS serves them.

HDU 1 holds flux, ivar and best-fit model against log10 of the vacuum wavelength, in the frame of
the observer (heliocentric); where a header says air, they are converted. HDU 2 holds the redshift,
its warnings, the class, and the photometric object that was observed. Spectra are not corrected
for Galactic extinction.

Every spectrum of SDSS is a stretch of one grid, steps of 1e-4 in log10 of the wavelength, so that
`on_common_grid` puts them side by side without resampling.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.fits import opened_fits, reading_fits
from pix2z.wavelengths import in_vacuum

__all__ = [
    "LOGLAM",
    "NO_SPECTRUM",
    "SdssSpectrum",
    "Spectral",
    "on_common_grid",
    "read_sdss_spectrum",
]

_COADD = ("flux", "loglam", "ivar", "model")
_SPECOBJ = ("Z", "Z_ERR", "ZWARNING", "CLASS", "PLUG_RA", "PLUG_DEC")

_FREE_TEXT = ("COMMENT", "HISTORY", "")

LARGEST_FILE = 1 << 28
"""Bytes; SDSS's have 0.2 to 3 MB. They are read whole."""

PER_DEX = 10_000
FIRST, LAST = 35_500, 40_200
"""Pixels of the grid: 3548 to 10471 Angstrom, which holds the spectra of both spectrographs."""

LOGLAM = np.arange(FIRST, LAST + 1) / PER_DEX
"""(L,) log10 of the vacuum wavelength in Angstrom, as observed, on the grid."""

TOLERANCE = 0.1
"""Pixels; what is stored as float32 is off by up to 0.002."""

Spectral = dict[str, NDArray[np.float32]]
"""flux, ivar and model, each (L,) on the grid."""

NO_SPECTRUM: Spectral = {
    name: np.full(len(LOGLAM), value, np.float32)
    for name, value in (("flux", np.nan), ("ivar", 0.0), ("model", np.nan))
}
"""What stands for the spectrum of an object that has none."""


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
    """Read a spectrum; raise InputError naming the file where it is not one of SDSS's.

    A pixel whose flux is not finite, or whose ivar is not finite and positive, comes back with flux
    0 and ivar 0.
    """
    path = Path(path)
    if not path.is_file():
        other = "a folder" if path.is_dir() else "a pipe or a device"
        reason = other if path.exists() else "no such file"
        raise InputError(f"{path}: not an SDSS spectrum ({reason})")
    with reading_fits(path, "an SDSS spectrum"):
        if (size := path.stat().st_size) > LARGEST_FILE:
            raise ValueError(f"{size} bytes; expected at most {LARGEST_FILE}")
        with opened_fits(path) as hdus:
            coadd = _columns(path, hdus, 1, _COADD)
            specobj = {
                name: values[0] for name, values in _columns(path, hdus, 2, _SPECOBJ).items()
            }
            run, camcol, field = _photometric_object(hdus[2].data)
            numbers = {name: float(specobj[name]) for name in _SPECOBJ if name != "CLASS"}
            spectral_class = str(specobj["CLASS"]).strip()
            wavelength = in_vacuum(
                _wavelength(path, coadd["loglam"]), _said_of_wavelengths(hdus), f"{path}: loglam"
            )
    flux, ivar = coadd["flux"].astype(np.float32), coadd["ivar"].astype(np.float32)
    good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    return SdssSpectrum(
        path=path,
        wavelength=wavelength,
        flux=np.where(good, flux, np.float32(0)),
        ivar=np.where(good, ivar, np.float32(0)),
        model=coadd["model"].astype(np.float32),
        z=numbers["Z"],
        z_error=numbers["Z_ERR"],
        z_warning=int(numbers["ZWARNING"]),
        spectral_class=spectral_class,
        ra=numbers["PLUG_RA"],
        dec=numbers["PLUG_DEC"],
        run=run,
        camcol=camcol,
        field=field,
    )


def _columns(
    path: Path, hdus: fits.HDUList, number: int, names: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """Columns of a table HDU, any case; raise InputError naming what is missing or no number."""
    table = hdus[number].data if len(hdus) > number else None
    if not isinstance(table, fits.FITS_rec) or not len(table):
        raise InputError(f"{path}: HDU {number} has no rows; expected an SDSS spectrum")
    columns = {name.lower(): name for name in table.names or ()}
    for name in names:
        if name.lower() not in columns:
            raise InputError(f"{path}: HDU {number} has no column {name!r}, as SDSS spectra have")
    arrays = {name: np.array(table[columns[name.lower()]]) for name in names}
    for name, values in arrays.items():
        if values.ndim != 1 or (values.dtype.kind not in "iuf" and name != "CLASS"):
            raise InputError(
                f"{path}: HDU {number}: expected one number per row in column {name!r}; received "
                f"{values.shape} of {values.dtype}"
            )
    return arrays


def _wavelength(path: Path, loglam: NDArray[Any]) -> NDArray[np.float64]:
    """Angstrom; raise InputError where log10 of them does not increase, or is no such number."""
    values = loglam.astype(np.float64)
    sensible = np.isfinite(values) & (values > 2) & (values < 6)  # 100 Angstrom to 100 micron
    if len(values) < 2 or not sensible.all() or not (np.diff(values) > 0).all():
        raise InputError(
            f"{path}: HDU 1: expected column 'loglam' to increase, log10 of Angstrom; received "
            f"{len(values)} values from {values[0]:g} to {values[-1]:g}"
        )
    wavelength: NDArray[np.float64] = 10.0**values
    return wavelength


def _said_of_wavelengths(hdus: fits.HDUList) -> dict[str, str]:
    """Cards of the file and of its first table, those of column loglam with their comments."""
    cards = [*hdus[0].header.cards, *hdus[1].header.cards]
    said = {card.keyword: str(card.value) for card in cards if card.keyword not in _FREE_TEXT}
    column = 1 + [name.lower() for name in hdus[1].columns.names].index("loglam")
    for card in hdus[1].header.cards:
        if re.fullmatch(rf"[A-Z]+{column}", card.keyword):
            said[f"wavelength {card.keyword}"] = f"{card.value} {card.comment}"
    return said


def _photometric_object(table: fits.FITS_rec) -> tuple[int, int, int]:
    """Run, camcol and field of OBJID (run, rerun, camcol, field, number); zeros without one."""
    columns = {name.upper(): name for name in table.names}
    if "OBJID" not in columns:
        return 0, 0, 0
    numbers = np.ravel(table[columns["OBJID"]][0])
    if len(numbers) < 4 or numbers.dtype.kind not in "iu":
        return 0, 0, 0
    run, _, camcol, field = (int(v) for v in numbers[:4])
    return run, camcol, field


def on_common_grid(spectrum: SdssSpectrum) -> Spectral:
    """Flux, ivar and model (L,) on the grid; flux and model NaN and ivar 0 off the spectrum.

    Raises
    ------
    InputError
        The spectrum has other pixels than those of the grid, or none on it.
    """
    place = PER_DEX * np.log10(spectrum.wavelength)
    pixel = np.rint(place).astype(np.int64)
    if np.any(np.abs(place - pixel) > TOLERANCE) or np.any(np.diff(pixel) < 1):
        raise InputError(f"{spectrum.path}: expected loglam in steps of 0.0001, upwards")
    inside = (pixel >= FIRST) & (pixel <= LAST)
    if not inside.any():
        raise InputError(f"{spectrum.path}: no pixel between {LOGLAM[0]:g} and {LOGLAM[-1]:g} dex")
    columns = {"flux": spectrum.flux, "ivar": spectrum.ivar, "model": spectrum.model}
    arrays = {}
    for name, values in columns.items():
        arrays[name] = NO_SPECTRUM[name].copy()
        arrays[name][pixel[inside] - FIRST] = values[inside]
    return arrays
