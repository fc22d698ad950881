import dataclasses

import numpy as np
import pytest

from pix2z.evaluation.told_window import told_window
from pix2z.redshift_pdf.grid import RedshiftGrid
from tests.evaluation.conftest import make_predictions

GRID = RedshiftGrid(0.0, 0.4, 4)


@pytest.mark.parametrize(
    ("density", "window", "expected", "z_phot"),
    [
        # Ratios inside are kept; a third of the second bin reaches half of the probability.
        ([1, 3, 4, 2], (0.0, 0.2), [2.5, 7.5, 0, 0], 0.1 + 0.1 / 3),
        # A bin that the window cuts keeps its share.
        ([2.5, 2.5, 2.5, 2.5], (-0.1, 0.15), [10 / 1.5, 5 / 1.5, 0, 0], 0.075),
        # Without probability inside, the PDF becomes flat there.
        ([0, 0, 0, 10], (0.0, 0.2), [5, 5, 0, 0], 0.1),
        # A window around everything changes nothing.
        ([1, 3, 4, 2], (-1.0, 1.0), [1, 3, 4, 2], 0.225),
    ],
)
def test_nothing_is_left_outside_and_shares_inside_are_kept(density, window, expected, z_phot):
    one = dataclasses.replace(make_predictions(1), grid=GRID, density=np.array([density]))
    told = told_window(one, window)
    np.testing.assert_allclose(told.density, [expected], rtol=1e-6)
    np.testing.assert_allclose(told.z_phot, z_phot)
