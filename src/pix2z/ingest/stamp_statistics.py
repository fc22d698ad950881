"""What is measured of each stamp and band before a file is judged: light, sky, and their shapes."""

import warnings
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry
from pix2z.imaging import LARGEST_PIXEL

__all__ = ["CORE", "StampStatistics", "measured_stamps"]

CORE = APERTURE_RADII_ARCSEC.index(2.3)
"""Aperture of the colours: most of the light of a galaxy, little of its neighbours and noise."""

TAILS = (0.1, 0.25, 0.75, 0.9)
"""Quantiles of border pixels whose distances tell of the shape of the noise."""

BORDER = 2
"""Width in pixels of the border of a stamp."""

Array = NDArray[np.floating]


@dataclass(frozen=True)
class StampStatistics:
    """Of each stamp and band, (n, 5), NaN where the band is absent.

    Attributes
    ----------
    growth : (n, A, 5) fluxes within the apertures of `dataset.photometry`.
    sigma : sky noise per pixel.
    border, lowest : median and lowest of the pixels along the border.
    tails : range of their middle 80 % over that of their middle 50 %; NaN where any is masked.
    n_pixels, mean, sd, largest : of all pixels that are not masked.
    whole : whether all of them are whole numbers.
    """

    growth: Array
    sigma: Array
    border: Array
    tails: Array
    lowest: Array
    n_pixels: NDArray[np.int64]
    mean: Array
    sd: Array
    largest: Array
    whole: NDArray[np.bool_]

    @property
    def total(self) -> Array:
        """Flux in the largest aperture."""
        return self.growth[:, -1]

    @property
    def core(self) -> Array:
        """Flux in the aperture of the colours."""
        return self.growth[:, CORE]

    def of_rows(self, rows: NDArray[np.bool_]) -> "StampStatistics":
        """Return the statistics of some stamps."""
        return StampStatistics(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})


@np.errstate(invalid="ignore", divide="ignore", over="ignore")  # damaged bytes may be odd NaNs
def measured_stamps(images: NDArray[np.float32]) -> StampStatistics:
    """Measure stamps (n, 32, 32, 5); bands of zeros, or with an impossible pixel, are absent."""
    impossible = np.abs(images) > LARGEST_PIXEL
    useless = np.asarray(impossible.any(axis=(1, 2)) | ~images.any(axis=(1, 2)))
    images = np.where(useless[:, None, None, :], np.float32(np.nan), images)
    flux, _, sigma = aperture_photometry(images)
    middle = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    outside = np.ones(images.shape[1:3], np.bool_)
    outside[middle[1:]] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of bands that are all NaN
        border = images[:, outside, :]
        tenth, quarter, three_quarters, nine_tenths = np.quantile(border, TAILS, axis=1)
        return StampStatistics(
            growth=flux,
            sigma=sigma,
            border=np.nanmedian(border, axis=1),
            tails=(nine_tenths - tenth) / (three_quarters - quarter),
            lowest=np.nanmin(border, axis=1),
            n_pixels=np.isfinite(images).sum(axis=(1, 2)),
            mean=np.nanmean(images, axis=(1, 2)),
            sd=np.nanstd(images, axis=(1, 2)),
            largest=np.nanmax(images, axis=(1, 2)),
            whole=np.all((images == np.rint(images)) | np.isnan(images), axis=(1, 2)),
        )
