"""Reconstructed spectra in physical units, written as they come."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.store import Galaxies
from pix2z.network.spectrum_estimator import Reconstruction
from pix2z.network.spectrum_units import (
    FLAG_NO_R_FLUX,
    FLUX_UNIT,
    physical_spectra,
    redshift_columns,
)
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
            physical = physical_spectra(found, images, ebv)
            writer.append(
                **vars(physical),
                **redshift_columns(found, estimator.shifts),
                **given,
            )
            for bit in flagged:
                flagged[bit] += int((physical.flags & bit != 0).sum())
            advance(len(images))
    return flagged


def stamps_of(galaxies: Galaxies, rows: NDArray[np.int64]) -> Iterator[Stamps]:
    """Yield rows of galaxies.h5 as `write_reconstructions` wants them, with a column `row`."""
    for images, batch in sequential_batches(galaxies, rows, batch_size=BATCH):
        columns = {"object_id": galaxies.column("object_id", batch), "row": batch}
        yield images, galaxies.column("ebv", batch), columns
