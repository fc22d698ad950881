"""Spectra from stamps as they are, and from stamps softened as the older system did."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pix2z.archive.sdss_file import soften

from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.spectrum import SpectrumConfig
from pix2z.dataset.spectra import Spectra, open_spectra
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.network.training import fit
from pix2z.spectrum_network.member import reconstructed
from pix2z.spectrum_network.recipes import spectrum_network, spectrum_recipe, start_plain
from pix2z.spectrum_network.shifts import ShiftGrid


@dataclass(frozen=True)
class Softened(Galaxies):
    """The same galaxies, every stamp softened as it is read."""

    def images(self, rows: Any, out: Any = None) -> Any:
        """Read and soften."""
        stamps = soften(super().images(rows))
        if out is None:
            return stamps
        out[...] = stamps
        return out


def bench_softening() -> dict[str, Any]:
    """Train the plain network, which sees pixels only, on both; errors on validation galaxies."""
    with open_galaxies("data/galaxies.h5") as galaxies, open_spectra("data/spectra.h5") as spectra:
        softened = Softened(galaxies.path, galaxies.file)
        return {
            "as they are": validation_errors(galaxies, spectra),
            "softened": validation_errors(softened, spectra),
        }


def validation_errors(galaxies: Galaxies, spectra: Spectra) -> dict[str, float]:
    settings, pdf = SpectrumConfig.read(), PdfConfig.read()
    split = read_split("data/splits/full.h5")
    mean = np.nanmean(spectra.flux(split.train[::10]), axis=0)
    shifts = ShiftGrid(spectra.grid, settings.stride, pdf.z_min, pdf.z_max)
    network = spectrum_network("plain", settings, HybridConfig.read(), shifts, 1)
    start_plain(network.model, mean)
    recipe = spectrum_recipe(
        network,
        galaxies,
        spectra,
        train_rows=split.train,
        validation_rows=split.validation,
        seed=1,
    )
    state = fit(**vars(recipe))
    squared, absolute, n = 0.0, 0.0, 0
    for outputs, rows in reconstructed(network.model, galaxies, split.validation):
        error = outputs["flux"] - spectra.flux(rows)
        squared += float(np.nanmean(error**2, axis=1).sum())
        absolute += float(np.nanmean(np.abs(error), axis=1).sum())
        n += len(rows)
    return {"mse": squared / n, "mae": absolute / n, "epochs": len(state.history)}
