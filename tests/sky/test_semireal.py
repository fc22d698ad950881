"""The raw file: its layout, its truth, and that no stamp depends on the others."""

import logging
from typing import Any

import h5py
import numpy as np
import pytest

from pix2z.config.sky import SkyConfig
from pix2z.sky import semireal
from pix2z.sky.fisher import PARAMETERS
from pix2z.sky.observing import pixel_variance
from pix2z.sky.parents import PARENTS_SHA256
from pix2z.sky.rendering import Sources, render

FRACTIONS = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}
SETTINGS: dict[str, Any] = {
    "seed": 11,
    "n_parents": 400,
    "n_stamps": 520,
    "max_shift": 0.03,
    "faint_limit": 17.8,
    "conditions": SkyConfig.read().conditions,
    "size_depends_on_redshift": True,
    "split_seed": 2,
    "fractions": FRACTIONS,
}


@pytest.fixture(scope="module", autouse=True)
def loaded_once(grid, parents):
    """Templates and parents are read once for all files that are written here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semireal, "load_template_grid", lambda: grid)
        patch.setattr(semireal, "load_parents", lambda *_, **__: parents)
        yield


@pytest.fixture(scope="module")
def raw_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "semireal.h5"
    semireal.write_semireal(path, **SETTINGS)
    return path


@pytest.fixture
def raw(raw_path):
    with h5py.File(raw_path, "r") as file:
        yield file


def sources(truth):
    return Sources(**{name: truth[name][:] for name in Sources.__dataclass_fields__})


def test_layout_is_the_seeds_with_nersc_keys(raw):
    n = 520
    assert raw["images"].shape == (n, 5, 32, 32)
    assert raw["images"].dtype == np.float32
    assert raw["images"].chunks == (64, 5, 32, 32)
    for name in ("specz_redshift", "specz_redshift_err", "e_bv"):
        assert (raw[name].shape, raw[name].dtype) == ((n,), np.float32)
    for name in ("ObjID", "specObjID"):
        assert raw[name].dtype == np.int64
        assert len(np.unique(raw[name][:])) == n
    for name in ("ra", "dec"):
        assert raw[name].dtype == np.float64
    assert raw.attrs["source"].startswith("semi-real: ")
    assert raw.attrs["parent_sha256"] == PARENTS_SHA256


def test_truth_is_finite_and_of_every_stamp_with_the_errors_of_its_factor(raw):
    for name, values in raw["truth"].items():
        assert len(values) == 520, name
        assert np.isfinite(values[:]).all(), name
    factor = raw["truth/sigma_cholesky"]
    assert factor.dtype == np.float32
    assert tuple(factor.attrs["parameters"]) == PARAMETERS
    norms = np.linalg.norm(factor[:].astype(np.float64), axis=2)
    np.testing.assert_allclose(norms[:, :5], raw["truth/sigma_flux"][:], rtol=1e-6)
    for column, name in enumerate(PARAMETERS[5:], start=5):
        np.testing.assert_allclose(norms[:, column], raw[f"truth/sigma_{name}"][:], rtol=1e-6)


def test_moved_stamps_have_another_redshift_than_their_parent(raw, parents):
    moved, parent = raw["truth/moved"][:] == 1, raw["truth/parent"][:]
    assert moved.sum() == 120
    own = parents.z[np.searchsorted(parents.index, parent)]
    shift = np.abs(raw["specz_redshift"][:] - own)
    assert shift[~moved].max() < 1e-6
    assert np.median(shift[moved]) > 1e-3
    assert shift[moved].max() <= 0.03 + 1e-6


def test_images_are_the_truth_plus_its_noise(raw):
    truth = raw["truth"]
    beside = truth["n_neighbours"][:] + truth["n_undetected"][:]
    alone = (beside == 0) & (truth["edge"][:] == 0)
    model = render(sources(truth))[alone]
    variance = pixel_variance(model, truth["sky_sigma"][:][alone])
    model += truth["sky_offset"][:][alone][..., None, None]
    pull = (raw["images"][:][alone] - model) / np.sqrt(variance)
    assert pull.std() == pytest.approx(1, abs=0.006)
    assert pull.mean() == pytest.approx(0, abs=0.008)
    flux = raw["images"][:][alone].sum(axis=(2, 3))
    error = np.sqrt(variance.sum(axis=(2, 3)))
    assert ((flux - model.sum(axis=(2, 3))) / error).std() == pytest.approx(1, abs=0.06)


def test_only_marked_stamps_are_cut(raw):
    masked = np.isnan(raw["images"][:]).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(masked, raw["truth/edge"][:] == 1)
    assert 1 <= masked.sum() <= 25


def test_more_stamps_change_no_other(raw, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    semireal.write_semireal(tmp_path / "fewer.h5", **SETTINGS | {"n_stamps": 430})
    assert "430 of 430 stamps rendered" in caplog.text
    with h5py.File(tmp_path / "fewer.h5", "r") as fewer:
        np.testing.assert_array_equal(fewer["ObjID"][:], raw["ObjID"][:430])
        for name in ("flux", "disc_half_light_radius", "psf_fwhm"):
            np.testing.assert_array_equal(fewer["truth"][name][:], raw["truth"][name][:430])
        np.testing.assert_allclose(
            fewer["truth/sigma_cholesky"][:],
            raw["truth/sigma_cholesky"][:430],
            rtol=1e-3,
            atol=1e-5,
        )
        # Sums of products may round differently in blocks of another size.
        np.testing.assert_allclose(fewer["images"][:], raw["images"][:430], rtol=1e-4, atol=1e-4)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("stopped half way")

    monkeypatch.setattr(semireal, "render_block", fail)
    with pytest.raises(RuntimeError, match="half way"):
        semireal.write_semireal(tmp_path / "semireal.h5", **SETTINGS)
    assert list(tmp_path.iterdir()) == []
