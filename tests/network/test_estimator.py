import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.utils.masked import Masked

from pix2z.dataset.stamps import LARGEST_EBV
from pix2z.errors import InputError, IntegrityError
from pix2z.imaging import LARGEST_PIXEL
from pix2z.network import arm
from pix2z.network.estimator import load_member, load_pool
from pix2z.network.pool import save_pool
from pix2z.network.predictions import predict_batches
from pix2z.redshift_pdf.calibration import (
    LocalTemperature,
    Temperature,
    evenly_spread,
    fit_temperature,
)
from pix2z.redshift_pdf.density import mix
from pix2z.saved.sealed import calibration_json, calibration_of, write_sealed
from tests.conftest import LACKS
from tests.network.conftest import pool_training


def test_the_saved_pool_estimates_redshifts(trained_pool, sample, sample_split, grid):
    rows = sample_split.test
    z_spec = sample.column("specz_redshift", rows)
    estimate = load_pool(trained_pool).estimate(sample.images(rows), sample.column("ebv", rows))
    np.testing.assert_allclose(estimate.density.sum(1) * grid.width, 1.0)
    limits = (estimate.err95_low, estimate.err68_low, estimate.z_median)
    ordered = np.stack([*limits, estimate.err68_high, estimate.err95_high])
    assert (np.diff(ordered, axis=0) >= 0).all()
    assert np.abs(estimate.z_phot - z_spec).mean() < 0.03
    inside = (z_spec > estimate.err95_low) & (z_spec < estimate.err95_high)
    assert inside.mean() > 0.85
    assert (estimate.flags & LACKS == 0).all()


def test_predictions_of_rows_are_those_of_images(trained_pool, sample, sample_split):
    pool = load_pool(trained_pool)
    (predictions,) = predict_batches(pool, sample, sample_split.test)
    assert list(predictions) == ["seed-1", "seed-2", "pool"]
    images = sample.images(sample_split.test)
    estimate = pool.estimate(images, sample.column("ebv", sample_split.test))
    np.testing.assert_allclose(predictions["pool"].z_phot, estimate.z_phot)
    np.testing.assert_array_equal(predictions["pool"].row, sample_split.test)
    for member in pool.members:
        raw = member.raw(images, sample.column("ebv", sample_split.test))
        density = predictions[f"seed-{member.record['seed']}"].density
        np.testing.assert_allclose(density, member.calibration.apply(raw, pool.grid), rtol=1e-5)
    assert not np.array_equal(predictions["seed-1"].z_phot, predictions["seed-2"].z_phot)


def test_flags_and_missing_values(trained_pool, sample):
    pool = load_pool(trained_pool)
    images = sample.images([0, 1, 2])
    images[0, ..., 0] = np.nan
    images[1, :4] = np.nan
    images[1, 5, 5, 2] = np.inf
    estimate = pool.estimate(images, np.array([0.01, 0.01, np.nan]))
    assert (estimate.flags & LACKS).tolist() == [1, 2, 4]
    assert np.isfinite(estimate.density).all()
    assert len(pool.estimate(images[:0]).z_phot) == 0
    for shape in ((3, 32, 32, 4), (3, 5, 32, 32), (32, 32, 5)):
        with pytest.raises(InputError, match=r"images: expected shape \(N, 32, 32, 5\)"):
            pool.estimate(np.zeros(shape))


def test_what_was_never_measured_is_unknown_and_a_blank_galaxy_has_no_redshift(
    trained_pool, sample
):
    """Once, only some of those who ask had it cleaned: a band of zeros had two redshifts."""
    pool = load_pool(trained_pool)
    rows = np.arange(6)
    images, ebv = sample.images(rows), sample.column("ebv", rows)
    dirty, dirty_ebv = images.copy(), ebv.copy()
    images[0, ..., 0], dirty[0, ..., 0] = np.nan, 0
    images[1, 3, 3, 2], dirty[1, 3, 3, 2] = np.nan, 1e30
    ebv[[2, 3, 4]], dirty_ebv[[2, 3, 4]] = np.nan, (99, -99, np.inf)
    images[5], dirty[5] = np.nan, 0
    expected, found = pool.estimate(images, ebv), pool.estimate(dirty, dirty_ebv)
    assert (found.flags & LACKS).tolist() == [1, 2, 4, 4, 4, 9]
    np.testing.assert_array_equal(found.density, expected.density)
    np.testing.assert_array_equal(found.flags, expected.flags)
    assert np.isnan(found.z_median).tolist() == [False] * 5 + [True]


def test_a_mask_and_a_unit_of_an_array_count(trained_pool, sample):
    """A nanomaggy is 3.631 microjansky."""
    pool, images = load_pool(trained_pool), sample.images([0, 1])
    hidden = np.zeros(images.shape, bool)
    hidden[0, 10:20, 14:18, 2] = hidden[1, ..., 0] = True
    expected = pool.estimate(np.where(hidden, np.nan, images), np.array([np.nan, 0.02]))
    ebv = np.ma.masked_array([0.3, 0.02], [True, False])
    for form in (np.ma.masked_array(images, hidden), Masked(images * 3.631 * u.uJy, mask=hidden)):
        found = pool.estimate(form, ebv)
        np.testing.assert_allclose(found.z_median, expected.z_median, rtol=1e-4)
        assert (found.flags & LACKS).tolist() == [6, 1]


def test_the_brightest_and_reddest_spoil_no_other(trained_pool, sample):
    """What would overflow in the network is masked before."""
    pool = load_pool(trained_pool)
    images = np.concatenate([np.full((2, 32, 32, 5), LARGEST_PIXEL), sample.images([0])])
    images[1] *= -1
    found = pool.estimate(images, np.full(3, LARGEST_EBV))
    assert np.isfinite(found.density).all()
    assert not (found.flags & LACKS).any()


def test_temperatures_are_those_of_a_bounded_number_of_calibration_rows(
    trained_pool, sample, sample_split, grid, tmp_path, monkeypatch
):
    rows = sample_split.calibration
    z_spec = sample.column("specz_redshift", rows).astype(np.float64)
    pool = load_pool(trained_pool)
    raw = [m.raw(sample.images(rows), sample.column("ebv", rows)) for m in pool.members]
    for fitted, density in zip((*pool.members, pool), (*raw, mix(raw)), strict=True):
        expected = fit_temperature(density, z_spec, grid=grid)
        assert fitted.calibration.temperature == pytest.approx(expected.temperature, rel=1e-3)
        np.testing.assert_allclose(fitted.calibration.slopes, expected.slopes, atol=1e-3)
    assert [member.record["n_calibration"] for member in pool.members] == [100, 100]
    monkeypatch.setattr(arm, "MOST_TEMPERATURE_ROWS", 40)
    bounded = pool_training(sample, sample_split, tmp_path).calibration_rows
    np.testing.assert_array_equal(bounded, evenly_spread(rows, most=40))


def test_calibrations_survive_json_and_damaged_ones_are_refused():
    local = LocalTemperature(0.93, (0.2, -0.1, 0.0, 0.03), (-5.2, 0.02), (-3.4, 0.19))
    for calibration in (local, Temperature(1.1)):
        written = json.loads(json.dumps(calibration_json(calibration)))
        assert calibration_of(written) == calibration
    right = calibration_json(local)
    for damage in ({"kind": "spline"}, {"slopes": None}, {"slopes": [1]}, {"temperature": "hot"}):
        with pytest.raises(InputError, match=r"\Acalibration: [^\n]+\Z"):
            calibration_of({**right, **damage})
    for name in right:
        with pytest.raises(InputError, match=r"\Acalibration: [^\n]+\Z"):
            calibration_of({key: value for key, value in right.items() if key != name})


def test_altered_weights_and_json_are_refused(trained_pool, tmp_path):
    copy = tmp_path / "weights"
    shutil.copytree(trained_pool, copy)
    weights = copy / "seed-1" / "weights.weights.h5"
    raw = bytearray(weights.read_bytes())
    raw[-10] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(IntegrityError, match="weights do not match"):
        load_pool(copy)

    copy = tmp_path / "json"
    shutil.copytree(trained_pool, copy)
    path = copy / "seed-1" / "estimator.json"
    description = json.loads(path.read_text())
    description["calibration"]["temperature"] *= 2
    path.write_text(json.dumps(description))
    with pytest.raises(IntegrityError, match="does not match its digest"):
        load_member(copy / "seed-1")

    path.write_text("[]")
    with pytest.raises(InputError, match="not an estimator"):
        load_pool(copy)

    (copy / "pool.json").write_text("{}")
    with pytest.raises(InputError, match="not an estimator"):
        load_pool(copy)


def test_the_published_cnn_gets_pdfs_from_calibration_residuals(
    trained_published, sample, sample_split, grid, tmp_path
):
    models = Path(shutil.copytree(trained_published, tmp_path / "models"))
    images = sample.images(sample_split.test)
    estimate = load_pool(models).estimate(images)
    np.testing.assert_allclose(estimate.density.sum(1) * grid.width, 1.0)
    z_train = sample.column("specz_redshift", sample_split.train)
    assert estimate.z_phot.min() >= z_train.min()
    assert estimate.z_phot.max() <= z_train.max()

    path = models / "seed-1/estimator.json"  # as earlier versions called it
    write_sealed(path, {**json.loads(path.read_text()), "architecture": "seed_cnn"})
    save_pool(models, ["seed-1"], load_member(path.parent).calibration)
    former = load_pool(models)
    assert former.members[0].architecture == "published_cnn"
    np.testing.assert_array_equal(former.estimate(images).z_phot, estimate.z_phot)
