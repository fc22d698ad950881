"""Pan-STARRS 1, 3 pi survey: stacked images, without their y band, of which the models know none.

Pixels of stacks, 0.25 arcsec, and their zero point, 25 + 2.5 log10(EXPTIME): Waters et al. (2020,
ApJS 251, 4) and MAST's page on stacks; cut-outs are linear, whole skycells are scaled by asinh.
PSF: median of Chambers et al. (2016, arXiv:1612.05560, table 11). Noise: from their mean 5 sigma
depths of point sources in stacks (23.3, 23.2, 23.1, 22.3), as the flux of a Gaussian PSF of that
width fitted to white noise has it: sigma = f5 / 5 / sqrt(4 pi) / (FWHM / 2.355 pixels). Electrons:
12 exposures of 43, 40, 45 and 30 s (their section 3.2 and table 11) times the 6.64, 8.02, 7.86 and
5.37 per second and nanomaggy by the capture cross sections of Tonry et al. (2012, ApJ 750, 99).
Extinction: Schlafly & Finkbeiner (2011, ApJ 737, 103, table 6), over their coefficients of SDSS,
times those of SDSS here.
"""

from pix2z.surveys.survey import Survey

__all__ = ["PANSTARRS"]

PANSTARRS = Survey(
    name="panstarrs",
    title="Pan-STARRS",
    bands="griz",
    pixel_scale=0.25,
    zero_point=25.0,
    per_second=True,
    psf_fwhm=(1.47, 1.31, 1.19, 1.14),
    sky_sigma=(0.01081, 0.01330, 0.01606, 0.03502),
    electrons_per_nanomaggy=(3427.0, 3849.0, 4246.0, 1934.0),
    extinction_per_ebv=(3.643, 2.734, 2.066, 1.548),
    filters="panstarrs",
)
