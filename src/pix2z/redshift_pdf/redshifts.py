"""What an estimator says of galaxies: calibrated PDFs, point estimates, intervals, flags."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.redshift_pdf.calibration import Temperature, fit_temperature
from pix2z.redshift_pdf.density import mean, median, mode, quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.residual import ResidualPdf, fit_residual_pdf, residual_density

__all__ = ["Calibration", "Redshifts", "fit_calibration", "image_flags", "redshifts"]

FLAG_BAND_ABSENT, FLAG_PIXELS_MASKED, FLAG_EBV_UNKNOWN = 1, 2, 4
FLAG_NO_R_FLUX = 16
"""Of a spectrum: the r flux is unknown or not positive, so it is relative to its mean in r."""

Calibration = Temperature | ResidualPdf


@dataclass(frozen=True)
class Redshifts:
    """What an estimator says of N galaxies; all z_* are redshifts, shape (N,).

    density : (N, K) per unit redshift on `grid`; err68, err95: limits of the central 68 and 95 %.
    flags : bit 1 a band is absent, bit 2 pixels are masked, bit 4 E(B-V) is unknown.
    """

    grid: RedshiftGrid
    density: NDArray[np.float64]
    z_phot: NDArray[np.float64]
    z_median: NDArray[np.float64]
    z_mean: NDArray[np.float64]
    z_mode: NDArray[np.float64]
    err68_low: NDArray[np.float64]
    err68_high: NDArray[np.float64]
    err95_low: NDArray[np.float64]
    err95_high: NDArray[np.float64]
    flags: NDArray[np.int32]


def fit_calibration(
    outputs: NDArray[Any], z_spec: NDArray[Any], *, grid: RedshiftGrid, n_phot_bins: int | None
) -> Calibration:
    """Fit what turns a network's raw outputs into PDFs, to calibration galaxies alone.

    Parameters
    ----------
    outputs : densities (n, K), which get a temperature; or redshifts (n,), whose residuals become
        PDFs in `n_phot_bins` bins.
    z_spec : (n,) their redshifts.
    """
    if n_phot_bins is None:
        return fit_temperature(outputs, z_spec, grid=grid)
    return fit_residual_pdf(outputs, z_spec, grid=grid, n_phot_bins=n_phot_bins)


def redshifts(
    raw: NDArray[np.float64],
    calibration: Calibration,
    *,
    grid: RedshiftGrid,
    flags: NDArray[np.int32],
) -> Redshifts:
    """Calibrate raw outputs and read the point estimates and intervals off the PDFs."""
    if isinstance(calibration, Temperature):
        density = calibration.apply(raw, grid)
        z_phot = median(density, grid)
    else:
        density = np.asarray(residual_density(calibration, raw), np.float64)
        z_phot = raw
    low95, low68, high68, high95 = quantiles(density, grid, [0.025, 0.16, 0.84, 0.975]).T
    return Redshifts(
        grid=grid,
        density=density,
        z_phot=z_phot,
        z_median=median(density, grid),
        z_mean=mean(density, grid),
        z_mode=mode(density, grid),
        err68_low=low68,
        err68_high=high68,
        err95_low=low95,
        err95_high=high95,
        flags=flags,
    )


def image_flags(images: NDArray[Any], ebv: NDArray[Any]) -> NDArray[np.int32]:
    """Flag images (n, 32, 32, 5) and E(B-V) (n,) as `Redshifts` says."""
    masked = np.isnan(images)
    absent = masked.all(axis=(1, 2))
    some = (masked.any(axis=(1, 2)) & ~absent).any(axis=1)
    flags = FLAG_BAND_ABSENT * absent.any(axis=1) + FLAG_PIXELS_MASKED * some
    return np.asarray(flags + FLAG_EBV_UNKNOWN * np.isnan(ebv), np.int32)
