import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pix2z.catalogue.estimates import predict_survey
from tests.catalogue.conftest import PixelReader, make_survey, redshift_of
from tests.conftest import LACKS


def collect(estimator, survey, **options):
    """Rows, medians, densities and flags of a whole survey."""
    blocks = list(predict_survey(estimator, survey, **options))
    found = [
        (rows, one.z_median, one.density, one.flags, np.full(len(rows), len(rows)))
        for rows, one in blocks
    ]
    return [np.concatenate(part) for part in zip(*found, strict=True)]


@settings(max_examples=30)
@given(n=st.integers(1, 200), batch_rows=st.integers(1, 130))
def test_every_row_comes_once_in_order_and_with_its_own_redshift(n, batch_rows):
    rows, z_median, density, flags, block = collect(
        PixelReader(), make_survey(n), batch_rows=batch_rows
    )
    np.testing.assert_array_equal(rows, np.arange(n))
    np.testing.assert_allclose(z_median, redshift_of(rows), atol=1e-4)
    assert density.shape == (n, 40)
    assert not (flags & LACKS).any()
    assert block.max() <= batch_rows


def test_stamps_are_read_in_batches_and_no_more_than_two_ahead(reader):
    asked = []
    survey = make_survey(10_000, alter=lambda rows, images: asked.append(len(rows)))
    blocks = predict_survey(reader, survey, batch_rows=64)
    assert asked == []
    next(blocks)
    next(blocks)
    assert set(asked) == {64}
    assert len(asked) <= 4


@pytest.mark.parametrize(("given_ebv", "expected"), [(0.3, [0.3, 0.3]), (None, [0.05, np.nan])])
def test_ebv_is_the_files_own_or_one_for_all(reader, given_ebv, expected):
    survey = make_survey(2, ebv=np.array([0.05, -9999.0], np.float32))
    _, _, _, flags, _ = collect(reader, survey, ebv=given_ebv)
    np.testing.assert_allclose(reader.seen_ebv[0], expected)
    assert (flags & LACKS).tolist() == ([0, 0] if given_ebv else [0, 4])
