"""Reconstructed spectra in physical units, written as they come."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.photometry import aperture_photometry
from pix2z.dataset.store import Galaxies
from pix2z.network.spectrum_estimator import Reconstruction
from pix2z.redshift_pdf.density import median, quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.sky.filters import flux_density_per_nanomaggy
from pix2z.sky.imaging import BANDS, EXTINCTION_PER_EBV
from pix2z.spectra.spectrum_files import spectrum_writer
from pix2z.spectra.templates import Templates

__all__ = [
    "FLAG_NO_R_FLUX",
    "FLUX_UNIT",
    "SPECTRUM_COLUMNS",
    "PixelsToSpectra",
    "stamps_of",
    "write_reconstructions",
]

FLUX_UNIT = "1e-17 erg / (s cm2 Angstrom)"
FLAG_NO_R_FLUX = 16
"""The r flux is unknown or not positive: the spectrum is relative to its mean in r."""

SPECTRUM_COLUMNS: Mapping[str, Any] = {
    "object_id": np.int64,
    "mean_flux_r": np.float32,
    "pix2z_z_median": np.float32,
    "pix2z_z_err68_low": np.float32,
    "pix2z_z_err68_high": np.float32,
    "flags": np.int32,
}
"""Columns beside the spectra. `mean_flux_r`: photon-weighted mean flux density in r, by which the
network's relative spectrum was multiplied; z: of the network's own PDF, NaN of a plain network."""

BATCH = 256

_R = BANDS.index("r")

Stamps = tuple[NDArray[np.float32], NDArray[np.float32], Mapping[str, NDArray[Any]]]
"""Images (b, 32, 32, 5), E(B-V) (b,), and the columns that the caller gives."""


class PixelsToSpectra(Protocol):
    """What `network.spectrum_estimator.SpectrumEstimator` offers."""

    @property
    def rest_wavelength(self) -> NDArray[np.float64]:
        """(M,) Angstrom."""

    @property
    def rest_basis(self) -> NDArray[np.float64]:
        """(J, M) rest-frame spectra that reconstructions can be read with."""

    @property
    def digest(self) -> str:
        """Of the saved network."""

    @property
    def shifts(self) -> Any:
        """Bins of ln(1 + z), on the wavelengths of the spectra."""

    def reconstruct(self, images: NDArray[Any], ebv: NDArray[Any] | None = None) -> Reconstruction:
        """Spectra of images (n, 32, 32, 5), NaN where masked, and E(B-V) (n,)."""


def write_reconstructions(
    path: str | Path,
    estimator: PixelsToSpectra,
    batches: Iterable[Stamps],
    *,
    n: int,
    columns: Mapping[str, Any],
    attributes: Mapping[str, str],
    advance: Callable[[int], None] = lambda _: None,
) -> dict[int, int]:
    """Write the spectra of n galaxies, with errors, columns and the basis; return flag counts.

    Spectra are without Galactic extinction (where E(B-V) is known), in `FLUX_UNIT`. `flux_error` is
    half the 68 % band, `flux_error95` half the 95 % band.

    Parameters
    ----------
    columns : name -> dtype of what the batches bring, beyond `SPECTRUM_COLUMNS`.
    advance : called with the number of galaxies just written.
    """
    wavelength = estimator.shifts.wavelengths.values
    basis = Templates(estimator.rest_wavelength, estimator.rest_basis, non_negative=False)
    flagged = dict.fromkeys((1, 2, 4, FLAG_NO_R_FLUX), 0)
    with spectrum_writer(
        path,
        wavelength,
        n=n,
        unit=FLUX_UNIT,
        columns={**SPECTRUM_COLUMNS, **columns},
        spectra=("flux_error95",),
        basis=basis,
        attributes={"model_digest": estimator.digest, **attributes},
    ) as writer:
        for images, ebv, given in batches:
            found = estimator.reconstruct(images, ebv)
            mean_flux = mean_flux_r(images, ebv)
            unknown = ~(mean_flux > 0)
            flags = found.flags | FLAG_NO_R_FLUX * unknown.astype(np.int32)
            scale = np.where(unknown, 1.0, mean_flux)[:, None].astype(np.float32)
            writer.append(
                flux=found.flux * scale,
                flux_error=found.err68 * scale,
                flux_error95=found.err95 * scale,
                mean_flux_r=scale[:, 0],
                flags=flags,
                **redshift_columns(found, estimator.shifts),
                **given,
            )
            for bit in flagged:
                flagged[bit] += int((flags & bit != 0).sum())
            advance(len(images))
    return flagged


def stamps_of(galaxies: Galaxies, rows: NDArray[np.int64]) -> Iterator[Stamps]:
    """Yield rows of galaxies.h5 as `write_reconstructions` wants them, with a column `row`."""
    for images, batch in sequential_batches(galaxies, rows, batch_size=BATCH):
        columns = {"object_id": galaxies.column("object_id", batch), "row": batch}
        yield images, galaxies.column("ebv", batch), columns


def mean_flux_r(images: NDArray[Any], ebv: NDArray[Any]) -> NDArray[np.float64]:
    """Mean flux density (n,) in r of stamps, largest aperture, without Galactic extinction."""
    flux, _, _ = aperture_photometry(images[..., _R : _R + 1])
    brightening = 10 ** (0.4 * EXTINCTION_PER_EBV[_R] * np.nan_to_num(ebv))
    result: NDArray[np.float64] = flux[:, -1, 0] * brightening * flux_density_per_nanomaggy("r")
    return result


def redshift_columns(found: Reconstruction, shifts: Any) -> dict[str, NDArray[np.float64]]:
    """Median and 68 % limits of the network's PDF, which has equal bins in ln(1 + z)."""
    names = ("pix2z_z_median", "pix2z_z_err68_low", "pix2z_z_err68_high")
    if found.shares is None:
        return {name: np.full(len(found.flux), np.nan) for name in names}
    half = shifts.width / 2
    grid = RedshiftGrid(shifts.centres[0] - half, shifts.centres[-1] + half, shifts.n)
    density = found.shares / grid.width
    low, high = quantiles(density, grid, [0.16, 0.84]).T
    return dict(zip(names, (np.expm1(v) for v in (median(density, grid), low, high)), strict=True))
