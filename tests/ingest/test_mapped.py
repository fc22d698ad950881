"""A user's mapping: any axes, bands, unit, pixel scale and keys give the same survey."""

import tempfile
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.errors import InputError
from tests.ingest import layout_files

BANDS = "ugriz"
N = 4
# unit or zero point -> factor to nanomaggies
UNITS = {
    ("unit", "nanomaggy"): 1.0,
    ("unit", "nJy"): 1 / 3631,
    ("unit", "Jy"): 1e9 / 3631,
    ("zero_point", 22.5): 1.0,
    ("zero_point", 25.0): 0.1,
    ("zero_point", 0.0): 1e9,
}


def stack(seed=1):
    """Stamps (N, 32, 32, 5) in nanomaggies, a few pixels of them masked."""
    images = np.random.default_rng(seed).normal(1, 3, (N, 32, 32, 5))
    images[1, 3:5, 7, 2] = np.nan
    return images


def stored(images, *, bands, axes, factor, border):
    """The same galaxies as somebody else would keep them."""
    picked = images[..., [BANDS.index(band) for band in bands]] / factor
    whole = np.full((N, 32 + border[0], 32 + border[1], len(bands)), np.inf)
    first = [(32 + more) // 2 - 16 for more in border]
    whole[:, first[0] : first[0] + 32, first[1] : first[1] + 32] = picked
    return whole.transpose(0, 3, 1, 2) if axes == "NCHW" else whole


read = partial(layout_files.read, layout="hdf5")


@given(
    bands=st.permutations(BANDS).flatmap(
        lambda order: st.integers(1, 5).map(lambda n: "".join(order[:n]))
    ),
    axes=st.sampled_from(["NHWC", "NCHW"]),
    unit=st.sampled_from(list(UNITS)),
    border=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    dtype=st.sampled_from(["f4", "f8", ">f4", ">f8"]),
    key=st.sampled_from(["images", "a/b/c", "pix"]),
    named_axes=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_axes_bands_unit_and_size_give_the_same_nanomaggies(
    bands, axes, unit, border, dtype, key, named_axes, seed
):
    images = stack(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "raw.h5")
        with h5py.File(path, "w") as file:
            file[key] = stored(
                images, bands=bands, axes=axes, factor=UNITS[unit], border=border
            ).astype(dtype)
        mapping = {"images": key, "bands": bands, unit[0]: unit[1]}
        found, _ = read(path, **mapping, axes=axes if named_axes else None)
    expected = np.full_like(images, np.nan)
    present = [BANDS.index(band) for band in bands]
    expected[..., present] = images[..., present]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.dtype == np.float32


def test_other_pixel_scales_are_resampled_and_what_was_done_is_said(write_raw):
    fine = np.random.default_rng(5).normal(size=(N, 66, 70, 2))
    blocks = fine[:, 1:65, 3:67].reshape(N, 32, 2, 32, 2, 2).sum(axis=(2, 4))
    path = write_raw({"images": fine.transpose(0, 3, 1, 2) * 3631})
    found, survey = read(path, bands="rg", unit="nJy", pixel_scale=0.198)
    np.testing.assert_allclose(found[..., [2, 1]], blocks, rtol=1e-5, atol=1e-6)
    assert np.isnan(found[..., [0, 3, 4]]).all()
    assert survey.converted == {
        "axes": "bands first, moved last",
        "bands": "read as r g; absent: u i z",
        "unit": "nJy: times 0.000275406 to nanomaggies",
        "pixel scale": "0.198 arcsec, resampled to 0.396 by area of overlap",
        "crop": "the central 32 pixels of 0.396 arcsec",
    }


@pytest.mark.parametrize(
    ("shape", "mapping", "words"),
    [
        ((N, 4, 32, 32), {}, r"expected shape \(N, H, W, 5\) or \(N, 5, H, W\) for the bands 'ugr"),
        ((N, 32, 32, 5), {"axes": "NCHW"}, r"expected shape \(N, 5, H, W\) for"),
        ((N, 5, 40, 5), {}, r"shape \(4, 5, 40, 5\) may have its bands first or last"),
        ((N, 5, 31, 40), {}, "expected stamps of at least 32 x 0.396 = 12.672 arcsec"),
        ((N, 5, 64, 64), {"pixel_scale": 0.09}, "expected a pixel scale from 0.1 to 0.8"),
        ((N, 1024), {}, "images: expected shape"),
        ((N, 5, 32, 32), {"images": "pix"}, "key 'pix' is missing; the file has a, images"),
        ((N, 5, 32, 32), {"redshift": "cat/z"}, "key 'cat/z' is missing"),
        ((N, 5, 32, 32), {"bands": "zirgu", "ebv": "a"}, r"a: expected shape \(4,\); rec"),
        ((N, 5, 32, 32), {"unit": None}, "the unit of the images is not known"),
    ],
)
def test_what_does_not_fit_is_named(write_raw, shape, mapping, words):
    path = write_raw({"images": np.zeros(shape, np.float32), "a": np.ones((N, 5))})
    with pytest.raises(InputError, match=words) as caught:
        read(path, **{"unit": "nanomaggy"} | mapping)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_seeing_is_sorted_by_band_and_groups_are_those_of_the_file(write_raw):
    seeing = np.random.default_rng(9).uniform(1, 2, (N, 3)).astype(np.float32)
    content = {
        "images": np.ones((N, 3, 32, 32), np.float32),
        "cat/group": np.arange(N) // 2,
        "obs/seeing": seeing,
    }
    mapping = {"bands": "irg", "unit": "nmgy", "group_id": "/cat/group", "seeing": "obs/seeing"}
    _, survey = read(write_raw(content, source="my\nsurvey"), **mapping)
    np.testing.assert_array_equal(survey.table.group_id, content["cat/group"])
    np.testing.assert_array_equal(survey.table.seeing[:, [3, 2, 1]], seeing)
    assert np.isnan(survey.table.seeing[:, [0, 4]]).all()
    assert survey.source == "my survey"


@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_a_masked_value_becomes_nan_and_nothing_else_does(write_raw, dtype):
    images = np.random.default_rng(6).integers(-5, 300, (N, 40, 40, 5)).astype(dtype)
    images[1, 10:14, 9, 2] = -9999
    path = write_raw({"images": images})
    found, survey = read(path, unit="nJy", bands="zirgu", masked_value=-9999)
    expected = images[:, 4:36, 4:36, ::-1].astype(np.float64) / 3631
    expected[1, 6:10, 5, 2] = np.nan
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert survey.converted["masked"] == "pixels of -9999"
    assert survey.files[0].gain == pytest.approx([1 / 3631] * 5)
