"""The decoder that knows what a redshift does to a spectrum, in keras.ops only."""

from typing import Any

from scipy.fft import next_fast_len

from pix2z.network.backend import keras, ops
from pix2z.spectrum_network.shifts import shifted_length

__all__ = ["ShiftedBasis"]

Tensor = Any


class ShiftedBasis(keras.layers.Layer):
    """Rest-frame spectra shifted by a redshift PDF: the mean spectrum, and its variance.

    On wavelengths evenly spaced in ln, redshift is a shift. With shares p_k of the PDF at shifts of
    `stride` * k pixels and the rest-frame spectrum r = sum_j c_j basis_j, the observed one is::

        mean_i = sum_k p_k r[i + stride (K - 1 - k)]

    which is a convolution; it is done in Fourier space, separately for each remainder of i modulo
    `stride`. A line is as broad in the mean as the PDF, and lies where the PDF does.

    Parameters
    ----------
    n_wavelengths : L, a multiple of `stride`.
    n_shifts : K, bins of the PDF in ln(1 + z).
    n_templates : J; the basis is a weight (J, L + stride (K - 1)), trained.
    """

    def __init__(
        self, *, n_wavelengths: int, n_shifts: int, stride: int, n_templates: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if n_wavelengths % stride:
            raise ValueError(f"n_wavelengths must be a multiple of {stride}; got {n_wavelengths}")
        self.n_wavelengths, self.n_shifts, self.stride = n_wavelengths, n_shifts, stride
        self.n_templates = n_templates
        self._length = n_wavelengths // stride + n_shifts - 1
        self._padded = next_fast_len(self._length, real=True)  # a product of 2, 3 and 5

    def build(self, *_shapes: Any) -> None:
        """One weight: the rest-frame basis."""
        width = shifted_length(self.n_wavelengths, self.n_shifts, self.stride)
        self.basis = self.add_weight(
            shape=(self.n_templates, width), initializer="zeros", name="basis"
        )
        self.built = True

    def call(self, coefficients: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients (B, J) and shares (B, K) -> mean and variance over the PDF, each (B, L)."""
        # The basis is transformed, not each galaxy's spectrum: a few transforms instead of B.
        real, imag = ops.rfft(self._by_remainder(self.basis), fft_length=self._padded)
        rest = (self._combined(coefficients, real), self._combined(coefficients, imag))
        mean = self._shifted(rest, shares)
        # Where nobody asks for it, as in training, the graph leaves the variance out.
        squares = self._by_remainder(ops.square(ops.matmul(coefficients, self.basis)))
        second = self._shifted(ops.rfft(squares, fft_length=self._padded), shares)
        return mean, ops.maximum(second - ops.square(mean), 0.0)

    def _by_remainder(self, rest: Tensor) -> Tensor:
        """Rest-frame spectra (n, M) by pixel modulo stride: (n, stride, M / stride)."""
        return ops.transpose(ops.reshape(rest, (-1, self._length, self.stride)), (0, 2, 1))

    def _combined(self, coefficients: Tensor, part: Tensor) -> Tensor:
        """Sum (J, stride, F) with coefficients (B, J): (B, stride, F)."""
        flat = ops.reshape(part, (self.n_templates, -1))
        return ops.reshape(ops.matmul(coefficients, flat), (-1, self.stride, part.shape[-1]))

    def _shifted(self, rest: tuple[Tensor, Tensor], shares: Tensor) -> Tensor:
        """Convolve transforms (B, stride, F) of rest-frame spectra with shares (B, K): (B, L)."""
        real, imag = rest
        p_real, p_imag = (x[:, None, :] for x in ops.rfft(shares, fft_length=self._padded))
        product = (real * p_real - imag * p_imag, real * p_imag + imag * p_real)
        full = ops.irfft(product, fft_length=self._padded)
        # The gradient of split is one copy, that of a slice is twice as expensive as the transform.
        _, valid, _ = ops.split(full, (self.n_shifts - 1, self._length), axis=-1)
        return ops.reshape(ops.transpose(valid, (0, 2, 1)), (-1, self.n_wavelengths))
