"""The Dark Energy Survey: coadded images of its second release, without their Y band.

PSF and depths: Abbott et al. (2021, ApJS 255, 20). Pixels of 0.263 arcsec and a zero point of 30:
Abbott et al. (2018, ApJS 239, 18). Noise: from the depths at a signal-to-noise ratio of 10 in a
circle of 1.95 arcsec (24.7, 24.4, 23.8, 23.1), for white noise. Electrons: 10 exposures of 90 s
times the 48.9, 62.3, 55.5 and 43.1 per second and nanomaggy of speclite's decam2014 responses and
a mirror of 3.934 m of which 1.651 m are obscured. Extinction: as of Pan-STARRS.
"""

from pix2z.surveys.survey import Survey

__all__ = ["DES"]

DES = Survey(
    name="des",
    title="DES",
    bands="griz",
    pixel_scale=0.263,
    zero_point=30.0,
    per_second=False,
    psf_fwhm=(1.11, 0.95, 0.88, 0.83),
    sky_sigma=(0.00201, 0.00264, 0.00460, 0.00876),
    electrons_per_nanomaggy=(44034.0, 56067.0, 49964.0, 38745.0),
    extinction_per_ebv=(3.717, 2.620, 1.959, 1.425),
    filters="decam2014",
)
