"""Files of spectra that were reconstructed from images, written as they come."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pix2z.config.spectrum import TemplateSearchConfig
from pix2z.imaging import BANDS
from pix2z.redshift_pdf.flags import SPECTRUM_FLAG_MEANINGS, FlagCounts
from pix2z.spectra.spectrum_files import spectrum_writer
from pix2z.spectra.templates import Search, Templates
from pix2z.wavelengths import FLUX_UNIT
from pix2z.wavelengths.lines import BLENDS, lines_in_words

__all__ = ["SPECTRUM_COLUMNS", "SpectrumNetwork", "write_reconstructions"]

SPECTRUM_COLUMNS: Mapping[str, Any] = {
    "object_id": np.int64,
    "mean_flux_r": np.float32,
    "pix2z_z_median": np.float32,
    "pix2z_z_err68_low": np.float32,
    "pix2z_z_err68_high": np.float32,
    "pix2z_z_err99_low": np.float32,
    "pix2z_z_err99_high": np.float32,
    "pix2z_flags": np.int32,
}
"""Columns beside the spectra. `mean_flux_r`: photon-weighted mean flux density in r, by which the
network's relative spectrum was multiplied; z: of the network's own PDF, NaN of a plain network."""


class SpectrumNetwork(Protocol):
    """What a file says of the network that made it: `spectrum_network.estimator.SpectrumEstimator`.

    Rooms of spectra know no networks, which need TensorFlow.
    """

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

    @property
    def search(self) -> TemplateSearchConfig:
        """How redshifts are searched with `rest_basis`."""


def write_reconstructions(
    path: str | Path,
    network: SpectrumNetwork,
    blocks: Iterable[Mapping[str, NDArray[Any]]],
    *,
    n: int,
    columns: Mapping[str, Any],
    attributes: Mapping[str, str],
    advance: Callable[[int], None] = lambda _: None,
) -> FlagCounts:
    """Write the spectra of n galaxies, with errors, columns and the basis; return their flags.

    Spectra are without Galactic extinction (where E(B-V) is known), in `FLUX_UNIT`. `flux_error` is
    half the 68 % band, `flux_error95` half the 95 % band, away from the lines of `lines.BLENDS`;
    `line_error` and `line_error95` are the same at the centres of those lines, which the attribute
    `lines` names and which lie where pix2z_z_err99_low to pix2z_z_err99_high puts them.
    `fibre_share` is the share of the flux in each band that an SDSS fibre on the centre sees.

    Parameters
    ----------
    blocks : from `spectrum_network.units.physical_blocks`.
    columns : name -> dtype of what the blocks hold beyond `SPECTRUM_COLUMNS`.
    advance : called with the number of galaxies just written.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    counts = FlagCounts(SPECTRUM_FLAG_MEANINGS)
    basis = Templates(network.rest_wavelength, network.rest_basis, non_negative=False)
    shifts = network.shifts
    with spectrum_writer(
        path,
        shifts.wavelengths.values,
        n=n,
        unit=FLUX_UNIT,
        columns={**SPECTRUM_COLUMNS, **columns},
        spectra=("flux_error95",),
        tables={"line_error": len(BLENDS), "line_error95": len(BLENDS), "fibre_share": len(BANDS)},
        basis=basis,
        search=Search(shifts.z_min, shifts.z_max, **network.search.model_dump()),
        attributes={"model_digest": network.digest, "lines": lines_in_words(), **attributes},
    ) as writer:
        for block in blocks:
            writer.append(**block)
            counts.add(block["pix2z_flags"])
            advance(len(block["pix2z_flags"]))
    return counts
