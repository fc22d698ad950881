"""Best-fit models of real SDSS spectra, from what `pix2z fetch sdss` writes.

They are made comparable with images: on the wavelengths wanted, without Galactic extinction, and
relative to the r band, since a fibre sees but a part of a galaxy. What images tell of a whole
galaxy is given the colours of that part.
"""

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.hdf5 import attribute_texts, reading
from pix2z.imaging import EFFECTIVE_WAVELENGTH, EXTINCTION_PER_EBV
from pix2z.wavelengths import said_to_be_in

__all__ = [
    "SDSS_MODEL",
    "extinction_per_ebv",
    "has_sdss_models",
    "relative_to_r",
    "sdss_model",
    "within_fibre",
    "without_extinction",
]

SDSS_MODEL = "spectra/model"
SDSS_LOGLAM = "spectra/loglam"

LEAST_R_SHARE = 0.98
"""Of the r band's weight, that a spectrum must cover to be scaled by it."""

Array = NDArray[np.float64]
Flux = NDArray[np.float32]


def has_sdss_models(file: h5py.File) -> bool:
    """Whether a raw file holds spectra; raise InputError where they are not as they should be."""
    if SDSS_MODEL not in file:
        return False
    with reading(file.filename, "spectra"):
        model, loglam, images = file[SDSS_MODEL].shape, file[SDSS_LOGLAM].shape, file["images"]
    if model != (len(images), *loglam):
        raise InputError(
            f"{file.filename}: {SDSS_MODEL}: expected (N, L) of {len(images)} images and "
            f"{loglam} wavelengths; received {model}"
        )
    said = attribute_texts(file, file.filename, SDSS_LOGLAM)
    if said_to_be_in(said, f"{file.filename}: {SDSS_LOGLAM}") == "air":
        raise InputError(
            f"{file.filename}: {SDSS_LOGLAM}: expected wavelengths in vacuum, as SDSS's are; "
            "received attributes that say air"
        )
    return True


def sdss_model(file: h5py.File, row: int, wavelength: Array) -> Flux:
    """Model (L,) of a row at these wavelengths, Angstrom in vacuum; NaN where not covered."""
    with reading(file.filename, SDSS_MODEL):
        known = 10.0 ** file[SDSS_LOGLAM][...].astype(np.float64)
        model = file[SDSS_MODEL][row]
    values = np.interp(wavelength, known, model, left=np.nan, right=np.nan)
    return np.asarray(values, np.float32)


def extinction_per_ebv(wavelength: Array) -> Array:
    """A(lambda) / E(B-V) of SDSS imaging (SFD98), between the bands' effective wavelengths.

    Linear in 1 / lambda, which Galactic extinction nearly is in the optical; the five values are
    those that the images are corrected by, so spectra and images agree.
    """
    inverse = 1 / np.array(EFFECTIVE_WAVELENGTH)[::-1]
    values = np.array(EXTINCTION_PER_EBV)[::-1]
    within: Array = np.interp(1 / wavelength, inverse, values)
    blue, red = 1 / wavelength > inverse[-1], 1 / wavelength < inverse[0]
    for outside, (a, b) in ((blue, (-2, -1)), (red, (0, 1))):
        slope = (values[b] - values[a]) / (inverse[b] - inverse[a])
        within = np.where(outside, values[b] + slope * (1 / wavelength - inverse[b]), within)
    return within


def without_extinction(flux: Flux, wavelength: Array, ebv: NDArray[np.floating]) -> Flux:
    """Correct spectra (n, L) for Galactic extinction where E(B-V) (n,) is known."""
    dimming = np.nan_to_num(ebv)[:, None] * extinction_per_ebv(wavelength)
    return np.asarray(flux * 10 ** (0.4 * dimming), np.float32)


def within_fibre(
    relative: Flux, share: NDArray[np.floating], wavelength: Array, weights: Array
) -> Flux:
    """Give spectra (n, L) of whole galaxies the colours of what a fibre sees; relative to r again.

    Multiplied by the share of the light, which is linear in ln(wavelength) between the bands, and
    constant beyond; NaN where it is known of no band.

    Parameters
    ----------
    share : (n, 5) of each band's flux, as `photometry.fibre_share` gives it.
    weights : (L,), as `sky.filters.band_weights` gives them for r.
    """
    bands, tilted = np.log(EFFECTIVE_WAVELENGTH), np.full(relative.shape, np.nan)
    for row, shares in enumerate(share):
        known = np.isfinite(shares)
        if known.any():
            at = np.interp(np.log(wavelength), bands[known], shares[known])
            tilted[row] = relative[row] * at
    return relative_to_r(tilted.astype(np.float32), weights)


def relative_to_r(flux: Flux, weights: Array) -> Flux:
    """Divide spectra (n, L) by their mean in r; NaN where r is not covered or not positive.

    Parameters
    ----------
    weights : (L,), as `sky.filters.band_weights` gives them for r.
    """
    known = np.isfinite(flux)
    covered = known @ weights
    mean = np.where(known, flux, 0.0) @ weights / np.maximum(covered, 1e-9)
    usable = (covered >= LEAST_R_SHARE) & (mean > 0)
    scale = np.divide(1.0, mean, out=np.full(len(flux), np.nan), where=usable)
    return np.asarray(flux * scale[:, None], np.float32)
