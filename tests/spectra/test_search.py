"""Redshifts of spectra that a network made of images, which has redshifts from 0 to 0.4 only."""

import numpy as np
import pytest

from pix2z.redshift_pdf.flags import FitFlag
from pix2z.spectra.search import Search, file_redshifts
from pix2z.spectra.template_redshift import fit_redshifts
from tests.spectra.galaxies import STEP, WAVELENGTH, galaxy, templates

SEARCH = Search(0.0, 0.4, degree=1, n_templates=3, n_pixels=500)
SIGMA = 0.02
INSIDE, OUTSIDE = [0.1, 0.395], [-0.002, 0.402, 0.43, 0.6]


class Reconstructions:
    """What is read of an open file."""

    wavelength = WAVELENGTH
    search = SEARCH

    def __init__(self, z):
        self.flux = np.stack([galaxy(one) for one in z])
        self.ivar = np.full(self.flux.shape, SIGMA**-2)

    def __len__(self):
        return len(self.flux)

    def read(self, first, stop):
        return self.flux[first:stop], self.ivar[first:stop]


def test_redshifts_inside_are_found_and_not_doubtful():
    found = file_redshifts(Reconstructions(INSIDE), templates(), SEARCH)
    np.testing.assert_allclose(found.z, INSIDE, atol=0.2 * STEP)
    np.testing.assert_array_equal(found.flags, 0)
    assert np.isnan(found.z_err).all()


def test_redshifts_outside_end_inside_and_are_doubtful():
    """An end of the range that fits best changes places with the best redshift inside."""
    found = file_redshifts(Reconstructions(OUTSIDE), templates(), SEARCH)
    assert ((found.z >= 0.0) & (found.z <= 0.4)).all()
    np.testing.assert_array_equal(found.flags, FitFlag.DOUBTFUL)
    taken = (found.z > 0.0) & (found.z < 0.4)
    assert taken.any()
    at_end = np.isin(found.z_second, [0.0, 0.4])
    np.testing.assert_array_equal(found.delta_chi2[taken & at_end] <= 0, True)
    assert (taken & at_end).any()


def test_measured_galaxies_beyond_the_range_are_flagged_and_those_inside_are_not(monkeypatch):
    monkeypatch.setattr(Reconstructions, "search", None)
    for z, flagged in ((INSIDE, False), ([0.5, 0.65, 0.75, 0.9], True)):
        found = file_redshifts(Reconstructions(z), templates(), Search(0.0, 0.4))
        np.testing.assert_array_equal(found.flags & FitFlag.AMBIGUOUS > 0, flagged)


def test_the_error_of_a_mean_is_the_mean_error():
    spectra = Reconstructions(INSIDE)
    spectra.ivar[1, 8:10] = 0
    found = file_redshifts(spectra, templates(), SEARCH)
    wavelength = np.exp(np.log(WAVELENGTH).reshape(500, 4).mean(axis=1))
    means, weights = spectra.flux.reshape(2, 500, 4).mean(axis=2), np.full((2, 500), SIGMA**-2)
    weights[1, 2] = 0  # a bad pixel spoils the mean that it is in
    expected = fit_redshifts(wavelength, means, weights, templates(), Search(0.0, 0.4, degree=1))
    np.testing.assert_allclose(found.z, expected.z, atol=1e-9)
    np.testing.assert_array_equal(found.n_dof, expected.n_dof)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"z_min": 0.4, "z_max": 0.1}, "expected -1 < first < last redshift; received 0.4, 0.1"),
        ({"degree": -1}, "expected degree of 0 or more; received -1"),
        ({"n_templates": 0}, "expected n_templates of 1 or more"),
        ({"n_pixels": 15}, "expected n_pixels of 16 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(numbers, said):
    with pytest.raises(ValueError, match=said):
        Search(**numbers)
