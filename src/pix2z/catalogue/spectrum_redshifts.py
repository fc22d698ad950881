"""Redshifts read off files of spectra, whatever they are, and the table of them."""

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.archive.sdss_spectra import read_sdss_spectrum
from pix2z.errors import InputError
from pix2z.files import as_text, atomic_path
from pix2z.redshift_pdf.flags import FitFlag
from pix2z.spectra.spectrum_files import open_spectra
from pix2z.spectra.template_redshift import SpectrumRedshifts, fit_redshifts, join_redshifts
from pix2z.spectra.templates import Templates, with_emission_lines
from pix2z.wavelengths import wavelength_grid

__all__ = ["HEADER", "fit_file", "write_table"]

BLOCK_ROWS = 256

HEADER = ("file", "row", "z", "z_err", "flags", "reduced_chi2", "z_second", "delta_chi2")

Z_RANGE = (-0.005, 0.6)
"""First and last redshift that are tried, where neither file nor user says others."""


def fit_file(
    path: Path, *, z_min: float | None, z_max: float | None, coarse: int, own_basis: bool
) -> SpectrumRedshifts:
    """Redshifts of every spectrum of a file, SDSS's FITS or our HDF5.

    Parameters
    ----------
    z_min, z_max : the redshifts that are tried; None: those that reconstructions can have, else
        `Z_RANGE`.
    own_basis : whether templates in the file go before kcorrect's.

    Raises
    ------
    InputError
        The file is neither, is damaged, or has too few pixels for `coarse`.
    """
    asked = (z_min, z_max)
    if path.is_file() and h5py.is_hdf5(path):
        return _fit_many(path, asked, coarse=coarse, own_basis=own_basis)
    spectrum = read_sdss_spectrum(path)
    fit = _fitter(path, spectrum.wavelength, asked, Z_RANGE, coarse=coarse)
    return fit(spectrum.flux[None], spectrum.ivar[None], _galaxy_templates())


def _fit_many(
    path: Path, asked: tuple[float | None, float | None], *, coarse: int, own_basis: bool
) -> SpectrumRedshifts:
    with open_spectra(path) as spectra:
        otherwise = spectra.redshift_range or Z_RANGE
        fit = _fitter(path, spectra.wavelength, asked, otherwise, coarse=coarse)
        templates = spectra.basis if own_basis and spectra.basis else _galaxy_templates()
        starts = range(0, len(spectra), BLOCK_ROWS)
        blocks = (spectra.read(k, min(k + BLOCK_ROWS, len(spectra))) for k in starts)
        joined = join_redshifts([fit(flux, ivar, templates) for flux, ivar in blocks])
        return _of_images(joined) if spectra.redshift_range else joined


def _fitter(
    path: Path,
    wavelength: NDArray[np.float64],
    asked: tuple[float | None, float | None],
    otherwise: tuple[float, float],
    *,
    coarse: int,
) -> Callable[..., SpectrumRedshifts]:
    """Check what the file and the options have in common; return (flux, ivar, templates) -> fit."""
    try:
        grid = wavelength_grid(wavelength)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if grid.n < 16 * coarse:
        raise InputError(f"{path}: expected {16 * coarse} pixels or more; received {grid.n}")
    first, last = (
        default if value is None else value for value, default in zip(asked, otherwise, strict=True)
    )
    if not first < last:
        raise InputError(f"{path}: no redshifts are left between {first:g} and {last:g}")
    return partial(fit_redshifts, wavelength, z_min=first, z_max=last, coarse=coarse)


def _of_images(fit: SpectrumRedshifts) -> SpectrumRedshifts:
    """Take the errors away that hold for independent pixels only, and say so."""
    flags = (fit.flags | FitFlag.RECONSTRUCTED).astype(np.int32)
    return replace(fit, z_err=np.full(len(fit), np.nan), flags=flags)


@cache
def _galaxy_templates() -> Templates:
    """Return kcorrect's templates with narrow emission lines beside them."""
    from pix2z.sky.templates import template_spectra  # kcorrect takes a second to import

    wavelength, flux = template_spectra()
    return with_emission_lines(Templates(wavelength, flux, non_negative=True))


def write_table(out: Path, fits: list[tuple[Path, SpectrumRedshifts]]) -> None:
    """Write redshifts as CSV, atomically; columns `HEADER`, ``nan`` for no value."""
    with (
        atomic_path(out) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADER)
        for path, fitted in fits:
            table.writerows(_rows(path, fitted))


def _rows(path: Path, fitted: SpectrumRedshifts) -> list[list[str | int]]:
    reduced = fitted.chi2 / np.maximum(fitted.n_dof, 1)
    return [
        [
            as_text(path),
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
