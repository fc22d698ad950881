"""What ``pix2z redshift`` does with each file, and the table it writes."""

import csv
import math
from functools import cache
from pathlib import Path
from typing import TypedDict

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.catalogue.write_errors import named_write_errors
from pix2z.errors import InputError
from pix2z.files import atomic_path
from pix2z.sky.sdss_spectra import read_sdss_spectrum
from pix2z.spectra.log_grid import log_grid
from pix2z.spectra.spectrum_files import open_spectra
from pix2z.spectra.template_redshift import SpectrumRedshifts, fit_redshifts, join_redshifts
from pix2z.spectra.templates import Templates, with_emission_lines

__all__ = ["HEADER", "fit_file", "write_table"]

BLOCK_ROWS = 256

HEADER = ("file", "row", "z", "z_err", "flags", "reduced_chi2", "z_second", "delta_chi2")


class _Options(TypedDict):
    z_min: float
    z_max: float
    coarse: int


def fit_file(
    path: Path, *, z_min: float, z_max: float, coarse: int, own_basis: bool
) -> SpectrumRedshifts:
    """Redshifts of every spectrum of a file, SDSS's FITS or our HDF5.

    Parameters
    ----------
    own_basis : whether templates in the file go before kcorrect's.

    Raises
    ------
    InputError
        The file is neither, is damaged, or has too few pixels for `coarse`.
    """
    options = _Options(z_min=z_min, z_max=z_max, coarse=coarse)
    if path.is_file() and h5py.is_hdf5(path):
        return _fit_many(path, own_basis=own_basis, options=options)
    spectrum = read_sdss_spectrum(path)
    _check_wavelength(path, spectrum.wavelength, coarse)
    flux, ivar = spectrum.flux[None], spectrum.ivar[None]
    return fit_redshifts(spectrum.wavelength, flux, ivar, _galaxy_templates(), **options)


def _fit_many(path: Path, *, own_basis: bool, options: _Options) -> SpectrumRedshifts:
    blocks = []
    with open_spectra(path) as spectra:
        _check_wavelength(path, spectra.wavelength, options["coarse"])
        templates = spectra.basis if own_basis and spectra.basis else _galaxy_templates()
        for first in range(0, len(spectra), BLOCK_ROWS):
            flux, ivar = spectra.read(first, min(first + BLOCK_ROWS, len(spectra)))
            blocks.append(fit_redshifts(spectra.wavelength, flux, ivar, templates, **options))
    return join_redshifts(blocks)


@cache
def _galaxy_templates() -> Templates:
    """Return kcorrect's templates with narrow emission lines beside them."""
    from pix2z.sky.templates import template_spectra  # kcorrect takes a second to import

    wavelength, flux = template_spectra()
    return with_emission_lines(Templates(wavelength, flux, non_negative=True))


def _check_wavelength(path: Path, wavelength: NDArray[np.float64], coarse: int) -> None:
    try:
        grid = log_grid(wavelength)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if grid.n < 16 * coarse:
        raise InputError(f"{path}: expected {16 * coarse} pixels or more; received {grid.n}")


def write_table(out: Path, found: list[tuple[Path, SpectrumRedshifts]]) -> None:
    """Write redshifts as CSV, atomically; columns `HEADER`, ``nan`` for no value."""
    with (
        named_write_errors(out),
        atomic_path(out) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADER)
        for path, fitted in found:
            table.writerows(_rows(path, fitted))


def _rows(path: Path, fitted: SpectrumRedshifts) -> list[list[str | int]]:
    reduced = fitted.chi2 / np.maximum(fitted.n_dof, 1)
    return [
        [
            str(path),
            row,
            f"{fitted.z[row]:.6f}",
            f"{fitted.z_err[row]:.2g}",
            int(fitted.flags[row]),
            f"{reduced[row]:.4g}",
            f"{fitted.z_second[row]:.6f}",
            _short(float(fitted.delta_chi2[row])),
        ]
        for row in range(len(fitted))
    ]


def _short(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "nan"
