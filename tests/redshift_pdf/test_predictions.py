import numpy as np
import pytest

from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import COLUMNS, Predictions, select

GRID = RedshiftGrid(z_min=0.0, z_max=0.4, n_bins=4)


def make(n=5, **changes):
    columns = {name: np.arange(n) for name in COLUMNS} | changes
    return Predictions(grid=GRID, density=np.full((n, 4), 2.5), **columns)


def test_select_keeps_rows_together():
    picked = select(make(), np.array([3, 1]))
    assert len(picked) == 2
    for name, dtype in COLUMNS.items():
        np.testing.assert_array_equal(getattr(picked, name), [3, 1])
        assert getattr(picked, name).dtype == dtype


def test_a_column_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"z_phot must have shape \(5,\); got \(3,\)"):
        make(z_phot=np.zeros(3))
