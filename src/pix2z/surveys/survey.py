"""What a survey is to pix2z: the values of one file of this room."""

from dataclasses import dataclass

__all__ = ["Survey"]

PerBand = tuple[float, ...]


@dataclass(frozen=True)
class Survey:
    """Calibrated images of one survey, as its archive gives them.

    Attributes
    ----------
    name, title : in params.yaml, and in sentences.
    bands : those of ugriz that it has, in their order; tuples have a value for each of them.
    pixel_scale : arcsec.
    zero_point : AB magnitude of a flux of 1; `per_second` : of a flux of 1 per second of the
        exposure, which the file must say.
    psf_fwhm : median, arcsec. sky_sigma : noise of the sky, nanomaggies per pixel.
    electrons_per_nanomaggy : collected in the whole exposure, for the photon noise of sources.
    extinction_per_ebv : A_b / E(B-V), on the scale of E(B-V) of Schlegel, Finkbeiner & Davis 1998.
    filters : group of responses in speclite.
    """

    name: str
    title: str
    bands: str
    pixel_scale: float
    zero_point: float
    per_second: bool
    psf_fwhm: PerBand
    sky_sigma: PerBand
    electrons_per_nanomaggy: PerBand
    extinction_per_ebv: PerBand
    filters: str
