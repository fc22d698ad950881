"""The saved spectrum network: weights and JSON, no pickle; images -> spectra with their errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.special import softmax

from pix2z.config.networks import HybridConfig
from pix2z.config.section import first_fault
from pix2z.config.spectrum import SpectrumConfig, TemplateSearchConfig
from pix2z.dataset.photometry import fibre_share
from pix2z.dataset.stamps import clean_stamps
from pix2z.errors import IntegrityError
from pix2z.files import atomic_path, file_digest
from pix2z.network.backend import keras
from pix2z.redshift_pdf.redshifts import image_flags
from pix2z.saved.sealed import read_network, write_sealed
from pix2z.spectrum_network.architectures import fresh_spectrum_model
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.spectrum_network.units import BATCH, WHERE_LINES, mean_flux_r, redshift_quantiles
from pix2z.wavelengths import WavelengthGrid
from pix2z.wavelengths.lines import BLENDS, LIGHT_SPEED, LINE_REACH

__all__ = [
    "ErrorBand",
    "Reconstruction",
    "SpectrumEstimator",
    "fit_error_band",
    "fit_line_band",
    "line_sigma",
    "load_spectrum_estimator",
    "save_spectrum_estimator",
]

SCHEMA = "pix2z-spectrum 2"
BASIS = "basis.h5"
BAND_PIXELS = 40
"""Wavelengths that share one calibration of the error."""

LEAST_SIGMA = 0.005
"""Of a line, relative to r, where the network has no doubt of the flux at all."""

Array = NDArray[np.float64]
Flux = NDArray[np.float32]


@dataclass(frozen=True)
class Reconstruction:
    """Spectra of n galaxies, relative to their photon-weighted mean flux density in r.

    flux : (n, L). err68, err95 : (n, L) half widths of bands that hold the true flux of 68 and 95 %
    of galaxies at a wavelength, away from the lines of `lines.BLENDS`. line68, line95 : (n, G) the
    same at the centres of those lines, wherever they are within the 99 % interval of the redshift;
    NaN of a plain network, which has no redshift, so that its bands know of no lines.
    shares : (n, K) PDF over bins of ln(1 + z), None of a plain network. mean_flux_r : (n,) that
    mean in `wavelengths.FLUX_UNIT`, without Galactic extinction, NaN where unknown.
    fibre_share : (n, 5) of `dataset.photometry`. flags : (n,) as in `redshifts.Redshifts`.
    """

    flux: Flux
    err68: Flux
    err95: Flux
    line68: Flux
    line95: Flux
    shares: Flux | None
    mean_flux_r: Array
    fibre_share: NDArray[np.floating]
    flags: NDArray[np.int32]


@dataclass(frozen=True)
class ErrorBand:
    """What turns a network's variance into a band that holds what it says.

    In W ranges of observed wavelength away from lines, and at the lines of G blends, in the rest
    frame of every redshift that the network's PDF allows.

    extra : (W,) error that the redshift does not explain, added in quadrature.
    scale68, scale95 : (W,) conformal factors: quantiles of |error| / sigma on calibration rows.
    line68, line95 : (G,) the same at the centres of lines, in units of `line_sigma`.
    """

    extra: Array
    scale68: Array
    scale95: Array
    line68: Array
    line95: Array

    def half_widths(self, variance: Flux) -> tuple[Flux, Flux]:
        """Return half widths (n, L) of the 68 and the 95 % band."""
        n = variance.shape[1]
        sigma = np.sqrt(variance + _spread(self.extra, n) ** 2)
        low, high = (sigma * _spread(scale, n) for scale in (self.scale68, self.scale95))
        return low.astype(np.float32), high.astype(np.float32)

    def line_half_widths(self, sigma: Array) -> tuple[Flux, Flux]:
        """Return half widths (n, G) at lines, of what `line_sigma` gives."""
        low, high = (sigma * scale for scale in (self.line68, self.line95))
        return low.astype(np.float32), high.astype(np.float32)


def line_sigma(variance: Flux, wavelength: Array, z_low: Array, z_high: Array) -> Array:
    """Largest standard deviation (n, G) of the flux where the lines of each blend may be.

    A network that does not know the redshift gives a line as a low hump, as broad as its PDF; the
    variance of the flux within it grows with the height of the line, wherever it is.

    Parameters
    ----------
    variance : (n, L). z_low, z_high : (n,) between them is the redshift; NaN gives NaN.
    """
    ln, reach = np.log(wavelength), LINE_REACH / LIGHT_SPEED
    sigma = np.full((len(variance), len(BLENDS)), np.nan)
    for blend, lines in enumerate(BLENDS.values()):
        start = np.log(min(lines)) + np.log1p(z_low) - reach
        stop = np.log(max(lines)) + np.log1p(z_high) + reach
        within = (ln >= start[:, None]) & (ln <= stop[:, None])
        largest = np.where(within, variance, 0.0).max(axis=1)
        known = within.any(axis=1)
        sigma[known, blend] = np.sqrt(largest[known] + LEAST_SIGMA**2)
    return sigma


def fit_error_band(error: Flux, variance: Flux) -> ErrorBand:
    """Fit a band away from lines to errors (n, L) and variances (n, L) of calibration rows.

    Split conformal prediction with normalised residuals (Lei et al. 2018, section 5.2), for ranges
    of neighbouring wavelengths together: the share holds on average over galaxies and wavelengths.
    NaN errors, as at lines, do not count. `fit_line_band` sees to the lines.
    """
    extra, scale68, scale95 = [], [], []
    for start in range(0, error.shape[1], BAND_PIXELS):
        part = slice(start, start + BAND_PIXELS)
        squared, known = error[:, part].astype(np.float64) ** 2, np.isfinite(error[:, part])
        left = (squared - variance[:, part])[known]
        extra.append(float(np.sqrt(max(left.mean(), 1e-8))) if len(left) else 1.0)
        ratio = np.sqrt(squared / (variance[:, part] + extra[-1] ** 2))
        ratio = np.where(known, ratio, np.nan)
        scale68.append(_quantile(ratio, 0.68))
        scale95.append(_quantile(ratio, 0.95))
    unknown = np.ones(len(BLENDS))
    return ErrorBand(*map(np.array, (extra, scale68, scale95, unknown, 2 * unknown)))


def fit_line_band(
    band: ErrorBand,
    error: Array,
    sigma: Array,
    *,
    continuum: Sequence[Array],
    elsewhere: NDArray[np.bool_],
) -> ErrorBand:
    """Fit the band at lines to calibration rows, so that it holds its share of all galaxies.

    A galaxy whose redshift is outside the interval in which its lines are looked for is seen with
    the band of the continuum there, whatever the factor at lines is: where that band misses the
    line, the other galaxies have to make up for it.

    Parameters
    ----------
    error : (n, G, lines) |error| at the centres of lines, NaN where unknown.
    sigma : (n, G) of `line_sigma`.
    continuum : half widths (n, G, 1 or lines) of the 68 and the 95 % band of the continuum there.
    elsewhere : (n,) whether a galaxy's redshift is outside that interval.
    """
    ratio = error / sigma[..., None]
    outside = elsewhere[:, None, None]
    factors = []
    for share, half in zip((0.68, 0.95), continuum, strict=True):
        missed = np.where(error <= half, 0.0, np.where(np.isnan(error), np.nan, np.inf))
        seen = np.where(outside, missed, ratio)
        factors.append([_quantile(seen[:, blend], share) for blend in range(error.shape[1])])
    return replace(band, line68=np.array(factors[0]), line95=np.array(factors[1]))


def _quantile(ratio: NDArray[np.floating], share: float) -> float:
    """Return what holds this share of the ratios that are no NaN; 1 or 2 where none is known.

    Infinite ones are held by nothing: where there are too many, it is the largest finite ratio.
    """
    known = ratio[~np.isnan(ratio)]
    if not np.isfinite(known).any():
        return 1.0 if share < 0.9 else 2.0
    largest = known[np.isfinite(known)].max()
    return float(np.quantile(np.minimum(known, largest), share))


@dataclass(frozen=True)
class SpectrumEstimator:
    """A trained spectrum network with its error band."""

    decoder: str
    model: keras.Model
    shifts: ShiftGrid
    band: ErrorBand
    rest_wavelength: Array
    """(M,) Angstrom, of `rest_basis` (J, M): rest-frame spectra learned from training spectra."""
    rest_basis: Array
    search: TemplateSearchConfig
    """How redshifts are read off its spectra with `rest_basis`."""
    record: Mapping[str, Any]
    digest: str = ""

    @property
    def wavelengths(self) -> WavelengthGrid:
        """Of its spectra."""
        return self.shifts.wavelengths

    def reconstruct(self, images: Any, ebv: Any = None) -> Reconstruction:
        """Spectra of images (n, 32, 32, 5) in nanomaggies, with optional E(B-V) (n,) in mag.

        NaN marks masked pixels, absent bands and unknown E(B-V): see `clean_stamps` for what else
        is taken, and for the errors. About 100 kB per galaxy are held.
        """
        images, ebv = clean_stamps(images, ebv)
        flux = np.empty((len(images), self.wavelengths.n), np.float32)
        variance = np.empty_like(flux)
        shares = None
        if "logits" in self.model.output:
            shares = np.empty((len(images), self.shifts.n), np.float32)
        for start in range(0, len(images), BATCH):
            batch = slice(start, start + BATCH)
            outputs = self.model.predict_on_batch({"images": images[batch], "ebv": ebv[batch]})
            flux[batch], variance[batch] = outputs["flux"], outputs.get("variance", 0.0)
            if shares is not None:
                shares[batch] = softmax(outputs["logits"], axis=1)
        z_low, z_high = redshift_quantiles(shares, self.shifts, n=len(images), levels=WHERE_LINES)
        sigma = line_sigma(variance, self.wavelengths.values, z_low, z_high)
        return Reconstruction(
            flux,
            *self.band.half_widths(variance),
            *self.band.line_half_widths(sigma),
            shares=shares,
            mean_flux_r=mean_flux_r(images, ebv),
            fibre_share=fibre_share(images),
            flags=image_flags(images, ebv),
        )


def save_spectrum_estimator(
    folder: Path,
    estimator: SpectrumEstimator,
    *,
    settings: SpectrumConfig,
    encoder: HybridConfig,
) -> None:
    """Write weights and spectrum.json, which comes last: a folder with it is whole."""
    weights = folder / "weights.weights.h5"
    with atomic_path(weights, n_bytes=4 * estimator.model.count_params()) as partial:
        estimator.model.save_weights(partial)
    n_bytes = 8 * (estimator.rest_basis.size + estimator.rest_wavelength.size)
    with (
        atomic_path(folder / BASIS, n_bytes=n_bytes) as partial,
        h5py.File(partial, "w") as file,
    ):
        file.create_dataset("wavelength", data=estimator.rest_wavelength, track_times=False)
        file.create_dataset("flux", data=estimator.rest_basis, track_times=False)
    description = {
        "schema": SCHEMA,
        "decoder": estimator.decoder,
        "settings": settings.model_dump(mode="json"),
        "encoder": encoder.model_dump(mode="json"),
        "redshifts": {"z_min": estimator.shifts.z_min, "z_max": estimator.shifts.z_max},
        "error_band": {name: values.tolist() for name, values in vars(estimator.band).items()},
        "record": dict(estimator.record),
        "weights_sha256": file_digest(weights),
        "basis_sha256": file_digest(folder / BASIS),
    }
    write_sealed(folder / "spectrum.json", description)


def load_spectrum_estimator(folder: str | Path) -> SpectrumEstimator:
    """Read a saved network.

    Raises
    ------
    IntegrityError
        Weights or JSON are not what was saved.
    InputError
        A file is missing, or its settings are those of another version of pix2z.
    """
    folder = Path(folder)
    described = read_network(folder / "spectrum.json", SCHEMA)
    try:
        settings = SpectrumConfig.model_validate(described["settings"])
        encoder = HybridConfig.model_validate(described["encoder"])
    except ValidationError as error:
        raise first_fault(error, path=folder / "spectrum.json", key="settings") from error
    shifts = ShiftGrid(settings.wavelength.grid, settings.stride, **described["redshifts"])
    model = fresh_spectrum_model(described["decoder"], settings, encoder, shifts)
    model.load_weights(folder / "weights.weights.h5")
    if file_digest(folder / BASIS) != described["basis_sha256"]:
        raise IntegrityError(f"{folder / BASIS}: does not match the digest in spectrum.json")
    with h5py.File(folder / BASIS, "r") as file:
        rest_wavelength, rest_basis = file["wavelength"][...], file["flux"][...]
    return SpectrumEstimator(
        decoder=described["decoder"],
        model=model,
        shifts=shifts,
        band=ErrorBand(**{k: np.array(v) for k, v in described["error_band"].items()}),
        rest_wavelength=rest_wavelength,
        rest_basis=rest_basis,
        search=settings.templates,
        record=described["record"],
        digest=described["digest"],
    )


def _spread(values: Array, n: int) -> Array:
    """Values (W,) of ranges at each of n wavelengths."""
    return np.repeat(values, BAND_PIXELS)[:n]
