"""Redshifts read off files of spectra, whatever they are, and the table of them."""

import csv
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.archive.sdss_spectra import read_sdss_spectrum
from pix2z.errors import InputError
from pix2z.files import as_text, atomic_path
from pix2z.spectra.search import Search, file_redshifts, flag_alike
from pix2z.spectra.spectrum_files import open_spectra
from pix2z.spectra.template_redshift import SpectrumRedshifts, fit_redshifts
from pix2z.spectra.templates import Templates, with_emission_lines
from pix2z.wavelengths import wavelength_grid

__all__ = ["HEADER", "fit_file", "write_table"]

HEADER = ("file", "row", "z", "z_err", "pix2z_flags", "reduced_chi2", "z_second", "delta_chi2")


def fit_file(
    path: Path, *, z_min: float | None, z_max: float | None, coarse: int, own_basis: bool
) -> tuple[SpectrumRedshifts, Search]:
    """Redshifts of every spectrum of a file, SDSS's FITS or our HDF5, and how they were searched.

    Parameters
    ----------
    z_min, z_max : the redshifts that are tried; None: those that reconstructions can have, else
        those of `Search`.
    own_basis : whether templates in the file go before kcorrect's.

    Raises
    ------
    InputError
        The file is neither, is damaged, or does not go with `coarse`, `z_min` or `z_max`.
    """
    asked = {k: value for k, value in (("z_min", z_min), ("z_max", z_max)) if value is not None}
    if path.is_file() and h5py.is_hdf5(path):
        with open_spectra(path) as spectra:
            own = spectra.basis if own_basis else None
            search = _search(path, spectra.search, asked, with_own=own is not None)
            _check_pixels(path, search, spectra.wavelength, coarse)
            fit = file_redshifts(spectra, own or _galaxy_templates(), search, coarse=coarse)
            return fit, search
    spectrum = read_sdss_spectrum(path)
    search = _search(path, None, asked, with_own=False)
    _check_pixels(path, search, spectrum.wavelength, coarse)
    flux, ivar, templates = spectrum.flux[None], spectrum.ivar[None], _galaxy_templates()
    fit = fit_redshifts(spectrum.wavelength, flux, ivar, templates, search, coarse=coarse)
    return flag_alike(fit), search


def _search(
    path: Path, of_network: Search | None, asked: Mapping[str, float], *, with_own: bool
) -> Search:
    """Take the settings of the file, if it has any, and the redshifts that the user asks for.

    `with_own`: whether the templates are the file's, whose settings are for these alone.
    """
    search = Search()
    if of_network is not None:
        first, last = of_network.z_min, of_network.z_max
        for name, value in asked.items():
            if not first <= value <= last:
                raise InputError(
                    f"{path}: --{name.replace('_', '-')} {value:g}: expected a redshift within "
                    f"redshift_range of the file, {first:g} to {last:g}: its network has no others"
                )
        search = of_network if with_own else Search(first, last)
    try:
        first, last = asked.get("z_min", search.z_min), asked.get("z_max", search.z_max)
        return replace(search, z_min=first, z_max=last)
    except ValueError as error:
        raise InputError(f"{path}: --z-min, --z-max: {error}") from error


def _check_pixels(path: Path, search: Search, wavelength: NDArray[np.float64], coarse: int) -> None:
    try:
        n = search.n_pixels or wavelength_grid(wavelength).n
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if n < 16 * coarse:
        raise InputError(f"{path}: --coarse: expected {16 * coarse} pixels or more; received {n}")


@cache
def _galaxy_templates() -> Templates:
    """Return kcorrect's templates with narrow emission lines beside them."""
    from pix2z.sky.templates import template_spectra  # kcorrect takes a second to import

    wavelength, flux = template_spectra()
    return with_emission_lines(Templates(wavelength, flux, non_negative=True))


def write_table(out: Path, fits: list[tuple[Path, SpectrumRedshifts]]) -> None:
    """Write redshifts as CSV, atomically; columns `HEADER`, ``nan`` for no value."""
    with atomic_path(out) as partial, partial.open("w", newline="", encoding="utf-8") as file:
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
