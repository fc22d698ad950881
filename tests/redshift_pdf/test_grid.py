import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.redshift_pdf.grid import RedshiftGrid

GRID = RedshiftGrid(z_min=0.0, z_max=0.4, n_bins=180)


@given(st.floats(min_value=0.0, max_value=0.4))
def test_a_redshift_lies_between_the_edges_of_its_bin(z):
    index = int(GRID.bin_index(z))
    assert GRID.edges[index] <= z
    assert z < GRID.edges[index + 1] or (z == 0.4 and index == 179)


@given(st.integers(min_value=0, max_value=179))
def test_a_left_edge_belongs_to_the_bin_on_its_right(index):
    assert GRID.bin_index(GRID.edges[index]) == index


def test_redshifts_outside_go_to_the_end_bins():
    np.testing.assert_array_equal(GRID.bin_index([-1.0, 0.4, 7.0]), [0, 179, 179])


@pytest.mark.parametrize(("low", "high", "n"), [(0.4, 0.0, 9), (0.0, 0.0, 9), (0.0, 0.4, 1)])
def test_an_impossible_grid_is_refused(low, high, n):
    with pytest.raises(ValueError, match="must be"):
        RedshiftGrid(z_min=low, z_max=high, n_bins=n)
