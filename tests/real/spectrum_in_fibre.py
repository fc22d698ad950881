"""How far a reconstruction is from the real spectrum, as a whole and in the fibre's colours.

For the galaxy of docs/guide.md ("A spectrum from images"), with the files of its commands:

    python -m tests.real.spectrum_in_fibre spectra.hdf5 sdss.h5
"""

import sys

import h5py
import numpy as np

from pix2z.dataset.sdss_models import relative_to_r, sdss_model, within_fibre, without_extinction
from pix2z.sky.filters import band_weights
from pix2z.wavelengths.lines import blend_at


def main(spectra, images):
    """Print what is off in colours and in the continuum, and the share of it in the 95 % band."""
    with h5py.File(spectra) as made, h5py.File(images) as real:
        wavelength, scale = made["wavelength"][...], made["mean_flux_r"][0]
        weights = band_weights(wavelength, "r")
        observed = sdss_model(real, 0, wavelength)[None]
        truth = relative_to_r(without_extinction(observed, wavelength, made["ebv"][:1]), weights)
        whole, half = made["flux"][:1] / scale, made["flux_error95"][:1] / scale
        fibre = within_fibre(whole, made["fibre_share"][:1], wavelength, weights)
        z = real["specz_redshift"][:1].astype(np.float64)
    continuum = np.isfinite(truth) & (blend_at(wavelength, z) < 0)
    for name, flux in (("whole", whole), ("in the fibre", fibre)):
        error = np.abs(flux - truth)[continuum]
        held = (error <= (half * flux / whole)[continuum]).mean()
        colours = [
            _colour(flux, wavelength, *pair) - _colour(truth, wavelength, *pair)
            for pair in ("gr", "ri")
        ]
        print(  # noqa: T201
            f"{name}: g - r off by {colours[0]:.2f} mag, r - i by {colours[1]:.2f}; away from "
            f"lines off by {error.mean():.3f} of the flux in r, {100 * held:.0f} % in the 95 % band"
        )


def _colour(flux, wavelength, blue, red):
    known = np.isfinite(flux)
    sums = [np.sum((flux * band_weights(wavelength, band))[known]) for band in (blue, red)]
    return -2.5 * np.log10(sums[0] / sums[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
