"""Masking, photometry and scaling inside the network, in keras.ops only.

Images enter as (B, 32, 32, 5) nanomaggies with NaN where a pixel is masked and all NaN where a band
is absent; E(B-V) as (B,), NaN where unknown. What leaves is finite. The arithmetic is that of
`pix2z.dataset.photometry`, whose constants are used here.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from pix2z.dataset import photometry
from pix2z.sky.extinction import EXTINCTION_PER_EBV

__all__ = [
    "TYPICAL_SKY_SIGMA",
    "AperturePhotometry",
    "ForgetEbv",
    "NanToZero",
    "ReflectMasked",
    "ScalePixels",
    "Standardise",
]

TYPICAL_SKY_SIGMA = (0.043, 0.017, 0.027, 0.044, 0.175)
"""Nanomaggies per pixel rms in u, g, r, i, z, measured on real SDSS frames; scales, not fits."""

_N_APERTURES = len(photometry.APERTURE_RADII_ARCSEC)
Tensor = Any


@keras.saving.register_keras_serializable("pix2z")
class NanToZero(keras.layers.Layer):
    """Masked pixels read as 0, all that the published network can do about them."""

    def call(self, images: Tensor) -> Tensor:
        """Return images with 0 for NaN."""
        return ops.where(ops.isnan(images), 0.0, images)


@keras.saving.register_keras_serializable("pix2z")
class ReflectMasked(keras.layers.Layer):
    """Masked pixels filled from the opposite point; (filled, valid as 0 or 1)."""

    def call(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return filled images and the mask of measured pixels, both (B, 32, 32, 5)."""
        valid = ops.cast(ops.logical_not(ops.isnan(images)), images.dtype)
        zeroed = ops.where(ops.isnan(images), 0.0, images)
        opposite = ops.flip(zeroed, axis=(1, 2))
        return zeroed + (1.0 - valid) * opposite, valid


def _dereddening(ebv: Tensor) -> Tensor:
    """Factor on the flux of each band, (B, 5): 10 ** (0.4 A_b / E(B-V) * E(B-V)); 1 if unknown."""
    known = ops.where(ops.isnan(ebv), 0.0, ebv)
    slope = (0.4 * np.log(10.0) * np.array(EXTINCTION_PER_EBV)).astype(np.float32)
    return ops.exp(known[:, None] * slope[None, :])


@keras.saving.register_keras_serializable("pix2z")
class AperturePhotometry(keras.layers.Layer):
    """Filled images, mask and E(B-V) -> asinh photometry, (B, F) features and their (B, F) mask.

    Features: dereddened asinh fluxes (Lupton, Gunn & Szalay 1999, with softening the typical error
    of the aperture) in every aperture and band, their differences between adjacent bands (colours),
    the log sky noise per band and E(B-V). A feature is masked (0) where a band of it is absent.
    """

    def build(self, *_shapes: Any) -> None:
        """Constants only: nothing here is trained."""
        weights = photometry.aperture_weights()
        area = np.sqrt((weights**2).sum(axis=0))
        self._weights = weights
        self._pairs = photometry.sky_pairs().astype(np.float32)[None, :, :, None]
        self._softening = (area[:, None] * np.array(TYPICAL_SKY_SIGMA)[None, :]).astype(np.float32)
        self.built = True

    def call(self, filled: Tensor, valid: Tensor, ebv: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and mask; masked features are 0."""
        side = photometry.STAMP_SIDE
        pixels = ops.reshape(filled, (-1, side * side, 5))
        flux = ops.einsum("npb,pa->nab", pixels, self._weights) * _dereddening(ebv)[:, None, :]
        softening = ops.convert_to_tensor(self._softening)
        magnitudes = ops.arcsinh(flux / (2.0 * softening)) + ops.log(softening)
        present = ops.max(valid, axis=(1, 2))
        per_band = ops.repeat(present[:, None, :], _N_APERTURES, axis=1)
        known = 1.0 - ops.cast(ops.isnan(ebv), filled.dtype)[:, None]
        features = [
            ops.reshape(magnitudes, (-1, _N_APERTURES * 5)),
            ops.reshape(magnitudes[:, :, :-1] - magnitudes[:, :, 1:], (-1, _N_APERTURES * 4)),
            self._log_sky(filled, valid),
            ops.where(ops.isnan(ebv), 0.0, ebv)[:, None],
        ]
        masks = [
            ops.reshape(per_band, (-1, _N_APERTURES * 5)),
            ops.reshape(per_band[:, :, :-1] * per_band[:, :, 1:], (-1, _N_APERTURES * 4)),
            present,
            known,
        ]
        mask = ops.concatenate(masks, axis=1)
        return ops.concatenate(features, axis=1) * mask, mask

    def _log_sky(self, filled: Tensor, valid: Tensor) -> Tensor:
        usable = valid[:, :, 1:] * valid[:, :, :-1] * self._pairs
        total = ops.sum(ops.abs(filled[:, :, 1:] - filled[:, :, :-1]) * usable, axis=(1, 2))
        mean = total / ops.maximum(ops.sum(usable, axis=(1, 2)), 1.0)
        # sqrt(pi) / 2: mean absolute difference of two normal pixels -> their sigma
        return ops.log(ops.maximum(mean * np.float32(np.sqrt(np.pi) / 2), 1e-6))


@keras.saving.register_keras_serializable("pix2z")
class ScalePixels(keras.layers.Layer):
    """Filled images and E(B-V) -> dereddened asinh pixels, noise of order 1 / 2."""

    def call(self, filled: Tensor, ebv: Tensor) -> Tensor:
        """Return (B, 32, 32, 5) dimensionless pixels."""
        scale = ops.convert_to_tensor(1.0 / (2.0 * np.array(TYPICAL_SKY_SIGMA, np.float32)))
        return ops.arcsinh(filled * (_dereddening(ebv) * scale)[:, None, None, :])


@keras.saving.register_keras_serializable("pix2z")
class Standardise(keras.layers.Layer):
    """(features - mean) / sd, 0 where masked; mean and sd are weights, set from training rows."""

    def build(self, features_shape: tuple[int, ...], present_shape: tuple[int, ...]) -> None:
        """Two weights of shape (F,), not trained by gradient."""
        shape = features_shape[-1:]
        self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean")
        self.sd = self.add_weight(shape=shape, initializer="ones", trainable=False, name="sd")

    def call(self, features: Tensor, present: Tensor) -> Tensor:
        """Return (B, F) features of mean 0 and sd 1 over the training rows."""
        return (features - self.mean) / self.sd * present


@keras.saving.register_keras_serializable("pix2z")
class ForgetEbv(keras.layers.Layer):
    """E(B-V) as if it were unknown, for a network that shall not use it."""

    def call(self, ebv: Tensor) -> Tensor:
        """Return NaN for every value, (B,)."""
        return ops.full_like(ebv, np.nan)
