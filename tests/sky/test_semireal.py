"""The raw file: its layout, its truth, and that no stamp depends on the others."""

import logging
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pix2z.partition import PARTS, partition
from pix2z.sky import semireal
from pix2z.sky.fisher import PARAMETERS
from pix2z.sky.observing import pixel_variance
from pix2z.sky.parents import PARENTS_SHA256, Parents
from pix2z.sky.rendering import Sources, render

FRACTIONS = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}
SETTINGS: dict[str, Any] = {
    "seed": 11,
    "n_parents": 400,
    "n_stamps": 520,
    "max_shift": 0.03,
    "faint_limit": 17.8,
    "size_depends_on_redshift": True,
    "split_seed": 2,
    "fractions": FRACTIONS,
}


@pytest.fixture(scope="module")
def raw_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "semireal.h5"
    semireal.write_semireal(path, **SETTINGS)
    return path


@pytest.fixture
def raw(raw_path: Path) -> Iterator[h5py.File]:
    with h5py.File(raw_path, "r") as file:
        yield file


def sources(truth: h5py.Group) -> Sources:
    return Sources(**{field.name: truth[field.name][:] for field in fields(Sources)})


def test_layout_is_the_seeds_with_nersc_keys(raw: h5py.File) -> None:
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


def test_attributes_say_what_is_real(raw: h5py.File) -> None:
    assert raw.attrs["source"].startswith("semi-real: ")
    assert "rendered" in raw.attrs["source"]
    assert raw.attrs["parent_sha256"] == PARENTS_SHA256
    assert raw.attrs["bands"] == "ugriz"
    assert raw.attrs["pixel_scale"] == 0.396


def test_truth_is_complete_and_finite(raw: h5py.File) -> None:
    per_band = {"flux", "bulge_fraction", "psf_fwhm", "sky_sigma", "sigma_flux", "calibration"}
    expected = per_band | {
        *("parent", "moved", "z", "disc_half_light_radius", "bulge_half_light_radius"),
        *("disc_axis_ratio", "bulge_axis_ratio", "position_angle", "offset_x", "offset_y"),
        *("ebv", "n_neighbours", "edge", "template_coefficients"),
        *("sigma_disc_half_light_radius", "sigma_disc_axis_ratio", "sigma_bulge_fraction"),
        "sigma_cholesky",
    }
    truth = raw["truth"]
    assert set(truth) == expected
    for name in expected:
        assert np.isfinite(truth[name][:]).all(), name
        wide = name in per_band or name == "template_coefficients"
        shape = (8, 8) if name == "sigma_cholesky" else (5,) if wide else ()
        assert truth[name].shape == (520, *shape), name
    for name in expected - {"sigma_cholesky"}:
        if name.startswith("sigma_"):
            assert (truth[name][:] > 0).all()


def test_sigmas_are_the_norms_of_the_rows_of_the_factor(raw: h5py.File) -> None:
    factor = raw["truth/sigma_cholesky"]
    assert factor.dtype == np.float32
    assert tuple(factor.attrs["parameters"]) == PARAMETERS
    norms = np.linalg.norm(factor[:].astype(np.float64), axis=2)
    np.testing.assert_allclose(norms[:, :5], raw["truth/sigma_flux"][:], rtol=1e-6)
    for column, name in enumerate(PARAMETERS[5:], start=5):
        np.testing.assert_allclose(norms[:, column], raw[f"truth/sigma_{name}"][:], rtol=1e-6)


def test_moved_stamps_belong_to_training_parents(raw: h5py.File, parents: Parents) -> None:
    truth = raw["truth"]
    moved, parent = truth["moved"][:] == 1, truth["parent"][:]
    assert moved.sum() == 120
    part = partition(parent[moved], seed=2, fractions=FRACTIONS)
    assert (part == PARTS.index("train")).all()
    real_z = dict(zip(parents.index, parents.z, strict=True))
    own = np.array([real_z[row] for row in parent])
    shift = np.abs(raw["specz_redshift"][:] - own)
    assert shift[~moved].max() < 1e-6
    assert shift[moved].max() <= 0.03 + 1e-6


def test_images_are_the_truth_plus_its_noise(raw: h5py.File) -> None:
    truth = raw["truth"]
    alone = (truth["n_neighbours"][:] == 0) & (truth["edge"][:] == 0)
    model = render(sources(truth))[alone]
    variance = pixel_variance(model, truth["sky_sigma"][:][alone])
    pull = (raw["images"][:][alone] - model) / np.sqrt(variance)
    assert pull.std() == pytest.approx(1, abs=0.003)
    assert pull.mean() == pytest.approx(0, abs=0.003)
    flux = raw["images"][:][alone].sum(axis=(2, 3))
    error = np.sqrt(variance.sum(axis=(2, 3)))
    assert ((flux - model.sum(axis=(2, 3))) / error).std() == pytest.approx(1, abs=0.06)


def test_only_marked_stamps_are_cut(raw: h5py.File) -> None:
    masked = np.isnan(raw["images"][:]).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(masked, raw["truth/edge"][:] == 1)
    assert 1 <= masked.sum() <= 25


def test_more_stamps_change_no_other(
    raw: h5py.File, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
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


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("stopped half way")

    monkeypatch.setattr(semireal, "render_block", fail)
    with pytest.raises(RuntimeError, match="half way"):
        semireal.write_semireal(tmp_path / "semireal.h5", **SETTINGS)
    assert list(tmp_path.iterdir()) == []
