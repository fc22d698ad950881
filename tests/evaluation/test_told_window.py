import numpy as np

from pix2z.evaluation.told_window import told_window
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions

GRID = RedshiftGrid(0.0, 0.4, 4)


def predictions(density: list[list[float]]) -> Predictions:
    n = len(density)
    return Predictions(
        grid=GRID,
        density=np.array(density),
        row=np.arange(n),
        object_id=np.arange(n),
        group_id=np.arange(n),
        z_spec=np.full(n, 0.1),
        z_phot=np.full(n, 0.3),
        mag_r=np.full(n, 17.0),
        ebv=np.zeros(n),
    )


def test_nothing_is_left_outside_and_ratios_inside_are_kept():
    told = told_window(predictions([[1, 3, 4, 2]]), (0.0, 0.2))
    np.testing.assert_allclose(told.density, [[2.5, 7.5, 0, 0]])
    np.testing.assert_allclose(told.density.sum(1) * GRID.width, 1.0)
    # a third of the second bin reaches half of the probability
    np.testing.assert_allclose(told.z_phot, 0.1 + 0.1 / 3)


def test_a_bin_cut_by_the_window_keeps_its_share():
    told = told_window(predictions([[2.5, 2.5, 2.5, 2.5]]), (-0.1, 0.15))
    np.testing.assert_allclose(told.density, [[10 / 1.5, 5 / 1.5, 0, 0]], rtol=1e-6)


def test_a_pdf_without_probability_inside_becomes_flat_there():
    told = told_window(predictions([[0, 0, 0, 10]]), (0.0, 0.2))
    np.testing.assert_allclose(told.density, [[5, 5, 0, 0]])


def test_a_window_around_everything_changes_nothing():
    told = told_window(predictions([[1, 3, 4, 2]]), (-1.0, 1.0))
    np.testing.assert_allclose(told.density, [[1, 3, 4, 2]])
