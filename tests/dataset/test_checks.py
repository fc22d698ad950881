import numpy as np

from pix2z.dataset.checks import absent_as_nan, stamp_facts


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
    assert facts.infinite.tolist() == [True]
