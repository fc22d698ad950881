"""The spectra behind the galaxies of an open raw file: what goes into their file, and a figure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.catalogue.estimates import input_facts, stamps_in_batches
from pix2z.dataset.sdss_models import (
    has_sdss_models,
    relative_to_r,
    sdss_model,
    within_fibre,
    without_extinction,
)
from pix2z.dataset.stamps import known_ebv
from pix2z.evaluation.figures.spectra import ShownSpectrum, plot_spectra
from pix2z.files import text_digest
from pix2z.hdf5 import open_hdf5
from pix2z.ingest.raw import RawSurvey
from pix2z.redshift_pdf.flags import SPECTRUM_FLAG_MEANINGS, ImageFlag, in_words
from pix2z.sky.filters import band_weights
from pix2z.spectrum_network.units import BATCH, Stamps
from pix2z.wavelengths.lines import at_lines

if TYPE_CHECKING:
    from pix2z.spectrum_network.estimator import SpectrumEstimator

__all__ = [
    "EBV_COLUMN",
    "draw_some_spectra",
    "spectrum_attributes",
    "stamps_of_survey",
]

EBV_COLUMN: Mapping[str, Any] = {"ebv": np.float32}
"""E(B-V) in mag that spectra are corrected by; NaN where unknown."""

LONGEST_ATTRIBUTE = 30_000
"""Characters; HDF5 keeps at most 64 kB in an attribute."""

MOST_SHOWN = 9

UNIT = r"$10^{-17}$ erg s$^{-1}$ cm$^{-2}$ $\mathrm{\AA}^{-1}$"
"""`wavelengths.FLUX_UNIT` as it is printed."""

Flux = NDArray[np.float32]


def stamps_of_survey(survey: RawSurvey, *, ebv: float | None = None) -> Iterator[Stamps]:
    """Yield all galaxies of a raw file for `units.physical_blocks`, with `EBV_COLUMN`.

    Parameters
    ----------
    ebv : E(B-V) of all galaxies, or None where each has its own.
    """
    for rows, images, of_rows in stamps_in_batches(survey, ebv=ebv, batch_rows=BATCH):
        object_id, known = survey.table.object_id[rows], known_ebv(of_rows)
        yield images, known, {"object_id": object_id, "ebv": known}


def spectrum_attributes(
    estimator: "SpectrumEstimator", survey: RawSurvey, *, ebv: float | None = None
) -> Mapping[str, str]:
    """Facts for the attributes of a file of spectra: model, input, meaning of the flags.

    Parameters
    ----------
    ebv : the E(B-V) given to all galaxies, or None where each has its own.
    """
    facts = {
        "source": survey.source,
        "arm": str(estimator.record.get("arm", "unknown")),
        "targets": str(estimator.record.get("targets", "unknown")),
        **input_facts(survey, ebv=ebv),
        "pix2z_flags": in_words(SPECTRUM_FLAG_MEANINGS),
    }
    too_long = {k: v for k, v in facts.items() if len(v) > LONGEST_ATTRIBUTE}
    return facts | {k: f"SHA-256 of this text: {text_digest(v)}" for k, v in too_long.items()}


def draw_some_spectra(spectra: Path, figure: Path, survey: RawSurvey, *, seed: int) -> int:
    """Draw up to `MOST_SHOWN` galaxies, chosen at random, and return how many.

    Lines are marked at the file's redshift, or at the network's where the file has none.
    Where the survey's files hold SDSS spectra, their best-fit models are drawn too: without
    Galactic extinction where E(B-V) is known, and scaled to the same flux in r. A fibre sees but
    the middle of a galaxy, so there the reconstruction and its bands have the colours of the
    middle, `sdss_models.within_fibre`, and that of the whole is dashed. Nothing is drawn, and 0
    returned, where no galaxy has a spectrum.

    Parameters
    ----------
    spectra : what `spectra.reconstructions` wrote of this survey, with a column ``ebv``.
    """
    with h5py.File(spectra, "r") as file:
        able = np.flatnonzero(np.isfinite(file["mean_flux_r"][...]))
        if not len(able):
            return 0
        n = min(MOST_SHOWN, len(able))
        rows = np.sort(np.random.default_rng(seed).choice(able, n, replace=False))
        wavelength = file["wavelength"][...]
        shown = [_shown(file, int(row), wavelength, survey) for row in rows]
    plot_spectra(
        shown,
        wavelength=wavelength,
        unit=UNIT,
        path=figure,
    )
    return n


def _shown(
    file: h5py.File, row: int, wavelength: NDArray[np.float64], survey: RawSurvey
) -> ShownSpectrum:
    names = ("pix2z_z_median", "pix2z_z_err68_low", "pix2z_z_err68_high")
    z, low, high = (float(file[name][row]) for name in names)
    z_spec = float(survey.table.z_spec[row])
    above = str(file["object_id"][row])
    above += rf": $z_\mathrm{{spec}}$ = {z_spec:.4f}" if np.isfinite(z_spec) else ""
    below = [rf"$z_\mathrm{{images}}$ = {z:.3f} [{low:.3f}, {high:.3f}]"] if np.isfinite(z) else []
    below += ["relative to r"] if file["pix2z_flags"][row] & ImageFlag.NO_R_FLUX else []
    whole, truth = file["flux"][row], _truth(file, row, wavelength, survey)
    flux = whole if truth is None else _within_fibre(file, row, wavelength)
    scale = np.divide(flux, whole, out=np.ones_like(whole), where=whole != 0)
    return ShownSpectrum(
        title="\n".join([above, ", ".join(below)]).strip(),
        z=z_spec if np.isfinite(z_spec) else z,
        truth=truth,
        flux=flux,
        half68=file["flux_error"][row] * scale,
        half95=file["flux_error95"][row] * scale,
        whole=None if flux is whole else whole,
        line95=file["line_error95"][row] * _at_lines(scale, wavelength, z),
        line_z=(float(file["pix2z_z_err99_low"][row]), float(file["pix2z_z_err99_high"][row])),
    )


def _at_lines(scale: Flux, wavelength: NDArray[np.float64], z: float) -> NDArray[np.float64]:
    """Values (G,) of `scale` (L,) at the first line of each blend at z; 1 where it is outside."""
    found = at_lines(scale[None], wavelength, np.array([z]))[0, :, 0]
    return np.where(np.isfinite(found), found, 1.0)


def _within_fibre(file: h5py.File, row: int, wavelength: NDArray[np.float64]) -> Flux:
    """Reconstruction of a row with the colours of what a fibre sees; as it is where unknown."""
    whole, weights = file["flux"][row], band_weights(wavelength, "r")
    share = file["fibre_share"][row : row + 1]
    scale = np.float32(file["mean_flux_r"][row])
    tilted: Flux = within_fibre(whole[None] / scale, share, wavelength, weights)[0] * scale
    return tilted if np.isfinite(tilted).all() else whole


def _truth(
    file: h5py.File, row: int, wavelength: NDArray[np.float64], survey: RawSurvey
) -> Flux | None:
    """SDSS's model of a row, scaled to the r flux of its stamp; None where there is none."""
    first = 0
    for one in survey.files:
        if row < first + one.n_rows:
            break
        first += one.n_rows
    if not h5py.is_hdf5(one.path):
        return None
    with open_hdf5(one.path) as raw:
        if not has_sdss_models(raw):
            return None
        model = sdss_model(raw, row - first, wavelength)[None]
    model = without_extinction(model, wavelength, file["ebv"][row : row + 1])
    relative: Flux = relative_to_r(model, band_weights(wavelength, "r"))[0]
    return relative * np.float32(file["mean_flux_r"][row])
