import numpy as np
import pytest

from pix2z.dataset.batches import transform
from pix2z.network.architectures import measuring_model
from pix2z.network.measured import measured_galaxies
from pix2z.network.recipes import augmented_batches, feature_moments
from tests.network.conftest import HYBRID

ROWS = np.r_[3, 60:90, 7]


@pytest.mark.parametrize("most", [len(ROWS), len(ROWS) - 1])
def test_what_is_kept_is_what_is_measured(sample, most):
    measured = measured_galaxies(sample, HYBRID, ROWS, most=most)
    assert len(measured.rows) == (len(ROWS) if most == len(ROWS) else 0)
    wanted = np.array([7, 61, 3])
    expected = measuring_model(HYBRID).predict_on_batch({"images": sample.images(wanted)})
    expected["ebv"] = sample.column("ebv", wanted)
    found = measured.read(wanted)
    assert set(found) == {"flux", "log_sky", "pixels", "ebv"}
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-4)
    assert measured.read(np.array([0, 799]))["flux"].shape == (2, 7, 5)  # rows that are not kept


def test_moments_are_the_same_whatever_is_kept(sample):
    one, other = (measured_galaxies(sample, HYBRID, ROWS, most=most) for most in (100, 1))
    for mine, others in zip(*(feature_moments(m, ROWS, HYBRID) for m in (one, other)), strict=True):
        np.testing.assert_allclose(mine, others, rtol=1e-4, atol=1e-5)


def test_a_turned_stamp_is_measured_as_it_is_turned_after_measuring(sample):
    images, measuring = sample.images(ROWS), measuring_model(HYBRID)
    before = measuring.predict_on_batch({"images": transform(images, 5)})
    after = measuring.predict_on_batch({"images": images})
    np.testing.assert_allclose(before["pixels"], transform(after["pixels"], 5), atol=1e-5)
    np.testing.assert_allclose(before["flux"], after["flux"], rtol=1e-3, atol=1e-3)


def test_a_masked_band_is_masked_in_all_that_was_measured(sample):
    measured = measured_galaxies(sample, HYBRID, ROWS)
    batches = augmented_batches(
        measured.read,
        ROWS,
        lambda rows: rows,
        augment=True,
        band_dropout=0.5,
        batch_size=len(ROWS),
        seed=1,
    )
    ((arrays, _),) = batches(0)
    masked = np.isnan(arrays["log_sky"])
    assert 0 < masked.sum() < len(ROWS)
    assert (masked.sum(axis=1) <= 1).all()
    np.testing.assert_array_equal(np.isnan(arrays["flux"]).all(axis=1), masked)
    np.testing.assert_array_equal(np.isnan(arrays["pixels"]).all(axis=(1, 2)), masked)
    assert 0 < np.isnan(arrays["ebv"]).sum() < len(ROWS)
    assert np.isfinite(measured.kept["flux"]).all()  # what is kept stays as it was
