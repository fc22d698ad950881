import numpy as np
import pytest

from pix2z.spectra.templates import Templates, with_emission_lines
from tests.spectra.galaxies import REST, shape, templates


def test_emission_lines_stand_beside_the_templates():
    found = with_emission_lines(templates())
    assert len(found) > 3
    assert found.non_negative
    old = np.interp(REST[10:-10], found.wavelength, found.flux[0])
    np.testing.assert_allclose(old, shape(REST[10:-10], 0), rtol=1e-3)
    peaks = found.wavelength[found.flux[3:].argmax(axis=1)]
    for expected in (3728.5, 4341.68, 4862.68, 5008.24, 6564.61, 6585.27):
        assert np.abs(peaks / expected - 1).min() < 5e-4


@pytest.mark.parametrize(
    ("wavelength", "flux", "said"),
    [
        (np.arange(1.0, 4.0), np.ones((1, 3)), "4 wavelengths"),
        (np.arange(1.0, 6.0), np.ones(5), r"flux \(T, 5\)"),
        (np.arange(1.0, 6.0), np.full((1, 5), np.nan), "finite"),
        (np.arange(0.0, 5.0), np.ones((1, 5)), "positive, increasing"),
    ],
)
def test_arrays_that_are_no_templates_are_refused(wavelength, flux, said):
    with pytest.raises(ValueError, match=said):
        Templates(wavelength, flux, non_negative=True)
