"""The Sloan Digital Sky Survey, on which the default models are trained.

PSF: median of frames, as `sky.observing` has it. Gain: 1.6, 3.85, 4.72, 4.86 and 4.8 electrons per
count over the frames' calibration (NMGY: 0.0097, 0.0038, 0.0051, 0.0068, 0.0363 nanomaggies per
count), camera column 3.
"""

from pix2z.imaging import BANDS, EXTINCTION_PER_EBV, PIXEL_SCALE, SKY_SIGMA
from pix2z.surveys.survey import Survey

__all__ = ["SDSS"]

SDSS = Survey(
    name="sdss",
    title="SDSS",
    bands=BANDS,
    pixel_scale=PIXEL_SCALE,
    zero_point=22.5,
    per_second=False,
    psf_fwhm=(1.5, 1.4, 1.3, 1.25, 1.25),
    sky_sigma=SKY_SIGMA,
    electrons_per_nanomaggy=(165.0, 1020.0, 920.0, 715.0, 132.0),
    extinction_per_ebv=EXTINCTION_PER_EBV,
    filters="sdss2010",
)
