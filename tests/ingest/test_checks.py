import numpy as np

from pix2z.ingest.checks import absent_as_nan, column_faults, stamp_facts
from pix2z.ingest.columns import Column, assemble


def test_absent_as_nan_leaves_a_band_with_any_value_alone():
    images = np.zeros((2, 32, 32, 5), np.float32)
    images[0, 4, 4, 1] = 1.0
    images[1, 4, 4, 2] = np.nan
    result = absent_as_nan(images)
    np.testing.assert_array_equal(
        np.isnan(result).all(axis=(1, 2)),
        [[True, False, True, True, True], [True, True, False, True, True]],
    )
    assert result[0, 0, 0, 1] == 0.0


def test_equal_stamps_have_equal_digests_and_only_they():
    rng = np.random.default_rng(3)
    images = rng.normal(size=(6, 32, 32, 5)).astype(np.float32)
    images[4] = images[1]
    images[5] = images[1]
    images[5, 31, 31, 4] += 1e-6
    digest = stamp_facts(images).digest
    assert digest[4] == digest[1]
    assert len(np.unique(digest)) == 5


def test_an_infinite_pixel_is_no_blank():
    images = np.full((1, 32, 32, 5), np.nan, np.float32)
    images[0, 0, 0, 0] = np.inf
    facts = stamp_facts(images)
    assert facts.impossible.tolist() == [True]


def faults(**columns):
    found = {role: Column(np.asarray(values), role) for role, values in columns.items()}
    n = len(next(iter(columns.values())))
    table = assemble(found, n=n, path="raw.h5", no_redshift="none")
    return column_faults(table, z_min=0.02, z_max=0.6, pdf_range=(0.0, 0.4))


def test_redshifts_have_two_ranges():
    redshift = [0.01, 0.02, 0.3, 0.4, 0.59, 0.6, -0.1, np.nan, np.inf]
    found = faults(redshift=redshift)
    expected = {
        "redshift is not finite": [7, 8],
        "redshift outside [0.02, 0.6)": [0, 5, 6, 7, 8],
        "redshift beyond the PDF grid [0, 0.4)": [3, 4, 5, 6, 7, 8],
        "redshift error is negative": [],
    }
    assert {reason: np.flatnonzero(bad).tolist() for reason, bad in found.items()} == expected


def test_positions_are_judged_only_where_there_are_any():
    assert not [reason for reason in faults(redshift=[0.1]) if "position" in reason]
    found = faults(redshift=[0.1] * 5, ra=[1, np.nan, 1, 1, 1], dec=[1, 1, np.inf, 90.1, -90.0])
    assert found["position is not on the sky"].tolist() == [False, True, True, True, False]
