"""Reconstructions in physical units: scaled to the flux of the stamp in r."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.photometry import aperture_photometry
from pix2z.dataset.store import Galaxies
from pix2z.imaging import BANDS, EXTINCTION_PER_EBV
from pix2z.redshift_pdf.density import quantiles
from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.spectrum_network.shifts import ShiftGrid

if TYPE_CHECKING:
    from pix2z.spectrum_network.estimator import Reconstruction, SpectrumEstimator

__all__ = [
    "BATCH",
    "WHERE_LINES",
    "Stamps",
    "mean_flux_r",
    "physical_answer",
    "physical_blocks",
    "redshift_columns",
    "redshift_quantiles",
    "stamps_of",
]

BATCH = 256
"""Galaxies whose spectra are in memory at a time."""

Stamps = tuple[NDArray[np.float32], NDArray[np.float32], Mapping[str, NDArray[Any]]]
"""Images (b, 32, 32, 5), E(B-V) (b,), and columns that go with them."""

_R = BANDS.index("r")

WHERE_LINES = (0.005, 0.995)
"""Shares of the PDF below the two redshifts between which lines are looked for."""

QUANTILES = ("median", "err68_low", "err68_high", "err99_low", "err99_high")

FLUX_DENSITY_R = 0.28265836653714477
"""Mean flux density in r of one SDSS nanomaggy, in `FLUX_UNIT`: that of `sky.filters`."""


def physical_answer(found: "Reconstruction", shifts: ShiftGrid) -> dict[str, NDArray[Any]]:
    """Scale what was reconstructed of n galaxies.

    Returns
    -------
    flux (n, L) in `FLUX_UNIT`, without Galactic extinction; flux_error and flux_error95 (n, L),
    half the 68 % band and half the 95 % band away from lines; line_error and line_error95 (n, G),
    the same at the centres of the lines of `lines.BLENDS`; mean_flux_r (n,), what the relative
    spectra were multiplied by; fibre_share (n, 5); those of `redshift_columns`; pix2z_flags (n,),
    those of the reconstruction, and `ImageFlag.NO_R_FLUX`. Of a blank stamp all else is NaN. Their
    order is that in which a file of spectra is laid out.
    """
    unknown, blank = ~(found.mean_flux_r > 0), found.flags & ImageFlag.BLANK != 0
    without_flux = (unknown & ~blank).astype(np.int32)
    scale = np.where(unknown, 1.0, found.mean_flux_r)[:, None].astype(np.float32)
    columns = {
        "flux": found.flux * scale,
        "flux_error": found.err68 * scale,
        "flux_error95": found.err95 * scale,
        "line_error": found.line68 * scale,
        "line_error95": found.line95 * scale,
        "mean_flux_r": scale[:, 0],
        "fibre_share": found.fibre_share,
        "pix2z_flags": found.flags | ImageFlag.NO_R_FLUX * without_flux,
        **redshift_columns(found, shifts),
    }
    for name, values in columns.items():
        if name != "pix2z_flags":
            values[blank] = np.nan
    return columns


def mean_flux_r(images: NDArray[Any], ebv: NDArray[Any]) -> NDArray[np.float64]:
    """Mean flux density (n,) in r of stamps, largest aperture, without Galactic extinction."""
    flux, _, _ = aperture_photometry(images[..., _R : _R + 1])
    brightening = 10 ** (0.4 * EXTINCTION_PER_EBV[_R] * np.nan_to_num(ebv))
    return np.asarray(flux[:, -1, 0] * brightening * FLUX_DENSITY_R)


def redshift_columns(found: "Reconstruction", shifts: ShiftGrid) -> dict[str, NDArray[np.float64]]:
    """Median, 68 and 99 % limits of the network's PDF; NaN of a plain network."""
    levels = (0.5, 0.16, 0.84, *WHERE_LINES)
    found_at = redshift_quantiles(found.shares, shifts, n=len(found.flux), levels=levels)
    return {f"pix2z_z_{name}": z for name, z in zip(QUANTILES, found_at, strict=True)}


def redshift_quantiles(
    shares: NDArray[np.float32] | None, shifts: ShiftGrid, *, n: int, levels: Sequence[float]
) -> NDArray[np.float64]:
    """Redshifts (levels, n) below which these shares of the PDFs (n, K) lie; NaN without PDFs.

    Bins are equal in ln(1 + z). Of the first and the last one, half lies outside the range of
    redshifts, and counts as its end.
    """
    if shares is None:
        return np.full((len(levels), n), np.nan)
    half = shifts.width / 2
    grid = RedshiftGrid(shifts.centres[0] - half, shifts.centres[-1] + half, shifts.n)
    z = np.expm1(quantiles(shares / grid.width, grid, levels).T)
    return np.asarray(np.clip(z, shifts.z_min, shifts.z_max))


def physical_blocks(
    estimator: "SpectrumEstimator", batches: Iterable[Stamps]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield what `spectra.reconstructions` writes of each batch: `physical_answer` and columns."""
    for images, ebv, columns in batches:
        found = physical_answer(estimator.reconstruct(images, ebv), estimator.shifts)
        yield {**found, **columns}


def stamps_of(galaxies: Galaxies, rows: NDArray[np.int64]) -> Iterator[Stamps]:
    """Yield rows of galaxies.h5 for `physical_blocks`, with columns `object_id` and `row`."""
    for images, batch in sequential_batches(galaxies, rows, batch_size=BATCH):
        columns = {"object_id": galaxies.column("object_id", batch), "row": batch}
        yield images, galaxies.column("ebv", batch), columns
