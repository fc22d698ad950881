"""The band that a reader finds at a line, where the network looks for it or not."""

import numpy as np

from pix2z.spectra.reconstructed import bands_at_lines
from pix2z.wavelengths.lines import BLENDS, LINES, line_pixels

WAVELENGTH = np.geomspace(3800.0, 9200.0, 1200)


def test_a_line_outside_the_interval_that_is_looked_in_has_the_band_of_the_continuum():
    z, elsewhere = np.array([0.1, 0.1]), np.array([False, True])
    line = np.full((2, len(BLENDS)), 0.8, np.float32)
    half = np.full((2, len(WAVELENGTH)), 0.07, np.float32)
    half[1, line_pixels(WAVELENGTH, z, LINES["H beta"])[1]] = 0.09
    found = bands_at_lines(line, half, WAVELENGTH, z, elsewhere)
    np.testing.assert_array_equal(found[0], line[0])
    expected = [0.09 if name == "H beta" else 0.07 for name in BLENDS]
    np.testing.assert_allclose(found[1], expected, rtol=1e-6)
