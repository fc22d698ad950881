"""The same stamps by GalSim, one at a time: the reference that rendering is held to.

Only tests and benchmarks use it.
"""

from typing import Any

import galsim
import numpy as np
from numpy.typing import NDArray

from pix2z.imaging import PIXEL_SCALE, STAMP_SIDE
from pix2z.sky.profiles import SPERGEL_INDEX, psf_components

__all__ = ["PRECISE", "galsim_stamp"]

PRECISE = {"folding_threshold": 1e-3, "maxk_threshold": 1e-4, "maximum_fft_size": 16384}
"""GalSim accuracy (its GSParams) at which the reference no longer matters to the tests."""


def galsim_stamp(sources, row, band, *, accuracy=None):
    """Noise-free stamp (STAMP_SIDE, STAMP_SIDE) of one source in one band, nanomaggies.

    accuracy : GSParams by name; GalSim's defaults otherwise.
    """
    gsparams = galsim.GSParams(**(accuracy or {}))
    flux = sources.flux[row, band]
    bulge_flux = flux * sources.bulge_fraction[row, band]
    disc_ratio, bulge_ratio = sources.disc_axis_ratio[row], sources.bulge_axis_ratio[row]
    # Shears keep the area, so the circular radius is the geometric mean of the two axes.
    disc = galsim.Exponential(
        half_light_radius=sources.disc_half_light_radius[row] * np.sqrt(disc_ratio),
        flux=flux - bulge_flux,
        gsparams=gsparams,
    )
    bulge = galsim.Spergel(
        nu=SPERGEL_INDEX,
        half_light_radius=sources.bulge_half_light_radius[row] * np.sqrt(bulge_ratio),
        flux=bulge_flux,
        gsparams=gsparams,
    )
    angle = sources.position_angle[row] * galsim.degrees
    galaxy = disc.shear(q=disc_ratio, beta=angle) + bulge.shear(q=bulge_ratio, beta=angle)
    galaxy = galaxy.shift(sources.offset_x[row], sources.offset_y[row])
    image: Any = galsim.Convolve(galaxy, _psf(sources, row, band, gsparams)).drawImage(
        nx=STAMP_SIDE, ny=STAMP_SIDE, scale=PIXEL_SCALE, dtype=np.float64
    )
    stamp: NDArray[np.float64] = image.array
    return stamp


def _psf(sources, row, band, gsparams):
    shares, widths = psf_components(sources.psf_wings[row, band])
    return galsim.Sum(
        [
            galsim.Gaussian(
                flux=share, sigma=width * sources.psf_fwhm[row, band], gsparams=gsparams
            )
            for share, width in zip(shares, widths, strict=True)
        ]
    )
