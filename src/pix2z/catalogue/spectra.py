"""Reconstructed spectra in physical units, written as they come."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pix2z.catalogue.flags import FLAG_BLANK, SPECTRUM_FLAG_MEANINGS, blank_stamps
from pix2z.catalogue.write_errors import named_write_errors
from pix2z.redshift_pdf.redshifts import FLAG_NO_R_FLUX
from pix2z.spectra.spectrum_files import spectrum_writer
from pix2z.spectra.templates import Templates
from pix2z.spectrum_network.estimator import Reconstruction
from pix2z.spectrum_network.units import SPECTRUM_COLUMNS, physical_spectra, redshift_columns
from pix2z.wavelengths import FLUX_UNIT

__all__ = [
    "BATCH",
    "SPECTRUM_COLUMNS",
    "Stamps",
    "PixelsToSpectra",
    "WrittenSpectra",
    "write_reconstructions",
]

BATCH = 256

REDSHIFT_COLUMNS = ("pix2z_z_median", "pix2z_z_err68_low", "pix2z_z_err68_high")

Stamps = tuple[NDArray[np.float32], NDArray[np.float32], Mapping[str, NDArray[Any]]]
"""Images (b, 32, 32, 5), E(B-V) (b,), and the columns that the caller gives."""


class PixelsToSpectra(Protocol):
    """What `network.spectrum_estimator.SpectrumEstimator` offers."""

    @property
    def record(self) -> Mapping[str, Any]:
        """Facts of its training, such as the arm."""

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


@dataclass(frozen=True)
class WrittenSpectra:
    """What was written: galaxies with any flag, and galaxies per bit of `flags`."""

    n_flagged: int
    n_by_flag: Mapping[int, int]


def write_reconstructions(
    path: str | Path,
    estimator: PixelsToSpectra,
    batches: Iterable[Stamps],
    *,
    n: int,
    columns: Mapping[str, Any],
    attributes: Mapping[str, str],
    advance: Callable[[int], None] = lambda _: None,
) -> WrittenSpectra:
    """Write the spectra of n galaxies, with errors, columns and the basis.

    Spectra are without Galactic extinction (where E(B-V) is known), in `FLUX_UNIT`. `flux_error` is
    half the 68 % band, `flux_error95` half the 95 % band. A blank stamp has NaN for all of them.

    Parameters
    ----------
    columns : name -> dtype of what the batches bring, beyond `SPECTRUM_COLUMNS`.
    advance : called with the number of galaxies just written.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    n_flagged, n_by_flag = 0, dict.fromkeys(SPECTRUM_FLAG_MEANINGS, 0)
    with ExitStack() as opened:
        with named_write_errors(Path(path)):
            writer = opened.enter_context(
                spectrum_writer(
                    path,
                    estimator.shifts.wavelengths.values,
                    n=n,
                    unit=FLUX_UNIT,
                    columns={**SPECTRUM_COLUMNS, **columns},
                    spectra=("flux_error95",),
                    basis=Templates(
                        estimator.rest_wavelength, estimator.rest_basis, non_negative=False
                    ),
                    redshift_range=(estimator.shifts.z_min, estimator.shifts.z_max),
                    attributes={"model_digest": estimator.digest, **attributes},
                )
            )
        for images, ebv, given in batches:
            block = _spectra_of(estimator, images, ebv)
            with named_write_errors(Path(path)):
                writer.append(**block, **given)
            n_flagged += int((block["flags"] != 0).sum())
            for bit in n_by_flag:
                n_by_flag[bit] += int((block["flags"] & bit != 0).sum())
            advance(len(images))
        with named_write_errors(Path(path)):
            opened.close()
    return WrittenSpectra(n_flagged=n_flagged, n_by_flag=n_by_flag)


def _spectra_of(
    estimator: PixelsToSpectra, images: NDArray[Any], ebv: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Spectra of a batch in physical units, and the columns that follow from its pixels."""
    found, blank = estimator.reconstruct(images, ebv), blank_stamps(images)
    block: dict[str, NDArray[Any]] = {
        **vars(physical_spectra(found, images, ebv)),
        **redshift_columns(found, estimator.shifts),
    }
    for name, values in block.items():
        if name != "flags":
            values[blank] = np.nan
    block["flags"][blank] = (block["flags"][blank] | FLAG_BLANK) & ~FLAG_NO_R_FLUX
    return block
