"""The shifted basis against its definition, term by term."""

import numpy as np
import pytest

from pix2z.spectrum_network.layers import ShiftedBasis, shifted_length
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.wavelengths import WavelengthGrid

L, K, J = 60, 7, 3


def shifted_by_hand(rest, shares, *, stride):
    total = np.zeros((len(rest), L))
    for k in range(K):
        start = stride * (K - 1 - k)
        total += shares[:, k, None] * rest[:, start : start + L]
    return total


@pytest.mark.parametrize("stride", [1, 4, 5])
def test_mean_and_variance_are_those_of_the_shifted_spectra(stride):
    rng = np.random.default_rng(3)
    layer = ShiftedBasis(n_wavelengths=L, n_shifts=K, stride=stride, n_templates=J)
    layer.build()
    basis = rng.normal(size=(J, shifted_length(L, K, stride))).astype(np.float32)
    layer.basis.assign(basis)
    coefficients = rng.normal(size=(5, J)).astype(np.float32)
    shares = rng.dirichlet(np.ones(K), 5).astype(np.float32)
    mean, variance = (np.asarray(found) for found in layer(coefficients, shares))
    rest = coefficients @ basis
    expected = shifted_by_hand(rest, shares, stride=stride)
    np.testing.assert_allclose(mean, expected, atol=2e-5)
    square = shifted_by_hand(rest**2, shares, stride=stride)
    np.testing.assert_allclose(variance, square - expected**2, atol=1e-4)


def test_a_line_moves_to_the_wavelength_that_the_redshift_says():
    grid, rest_line = WavelengthGrid(4000.0, 9000.0, 400), 5000.0
    shifts = ShiftGrid(grid, stride=4, z_min=0.0, z_max=0.4)
    layer = ShiftedBasis(n_wavelengths=400, n_shifts=shifts.n, stride=4, n_templates=1)
    layer.build()
    ln_rest = np.log(shifts.rest_wavelengths)
    layer.basis.assign(np.exp(-0.5 * ((ln_rest - np.log(rest_line)) / 0.004) ** 2)[None])
    for k in (0, 10, shifts.n - 1):
        share = np.eye(shifts.n, dtype=np.float32)[[k]]
        flux, _ = layer(np.ones((1, 1), np.float32), share)
        found = grid.values[np.argmax(np.asarray(flux)[0])]
        expected = rest_line * np.exp(shifts.centres[k])
        assert abs(np.log(found / expected)) <= 0.51 * grid.step


def test_wavelengths_that_the_stride_does_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple of 7"):
        ShiftedBasis(n_wavelengths=60, n_shifts=K, stride=7, n_templates=1)
