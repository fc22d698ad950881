"""Quiet on galaxies in nanomaggies, however they came about; loud on what often goes wrong."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from pix2z.config.sky import SkyConfig
from pix2z.imaging import PIXEL_SCALE, SKY_SIGMA
from pix2z.ingest.columns import assemble
from pix2z.ingest.plausibility import FEWEST, photometry_problems
from pix2z.ingest.raw import RawFile, RawSurvey
from pix2z.ingest.resampling import overlap_weights, resample
from pix2z.sky.semireal import write_semireal

N = 120
SKY_LEVEL = np.array([0.2, 0.3, 0.69, 1.2, 3.3], np.float32)  # nanomaggies per pixel, SDSS
COUNTS = np.array([107.0, 233.0, 213.0, 147.0, 30.0], np.float32)  # per nanomaggy, SDSS


def survey_of(images):
    """Stamps (n, 32, 32, 5) as an open survey."""
    n = len(images)
    return RawSurvey(
        path=Path("raw.h5"),
        layout="sdss32",
        files=(RawFile(Path("raw.h5"), n),),
        source="a test",
        table=assemble({}, n=n, path="raw.h5", no_redshift="none"),
        converted={},
        read_images=lambda start, stop: images[start:stop],
    )


def problems(images):
    return photometry_problems(survey_of(np.asarray(images, np.float32)))


@pytest.fixture(scope="module")
def stamps(tmp_path_factory):
    """N semi-real galaxies, (N, 32, 32, 5), edges and neighbours and all."""
    from pix2z.ingest.source import open_source

    path = tmp_path_factory.mktemp("semireal") / "raw.h5"
    write_semireal(
        path,
        seed=1,
        n_parents=N,
        n_stamps=N,
        max_shift=0.03,
        faint_limit=17.8,
        conditions=SkyConfig.read().conditions,
        size_depends_on_redshift=True,
        split_seed=2,
        fractions={"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20},
    )
    with open_source(path) as survey:
        return survey.read_images(0, N)


def per_stamp(function, images, axis=(1, 2, 3)):
    return function(images, axis=axis, keepdims=True)


def to_unit_range(images, axis=(1, 2, 3)):
    low, high = (per_stamp(f, images, axis) for f in (np.nanmin, np.nanmax))
    return (images - low) / (high - low)


def standardised(images, axis=(1, 2, 3)):
    return (images - per_stamp(np.nanmean, images, axis)) / per_stamp(np.nanstd, images, axis)


FAULTS = {
    "counts": (lambda x: x * COUNTS, "look like counts"),
    "nanojansky": (lambda x: x * 3631, "look like counts, or a unit smaller"),
    "jansky": (lambda x: x * 3.631e-6, "or a unit larger than nanomaggies"),
    "divided by 255": (lambda x: x / 255, "look divided by a number, such as 255"),
    "sky left in": (lambda x: x + SKY_LEVEL, "the sky is not subtracted"),
    "divided by each band's maximum": (
        lambda x: x / per_stamp(np.nanmax, x, (1, 2)),
        "the largest pixel of every band is 1",
    ),
    "each stamp to [0, 1]": (to_unit_range, "the largest pixel of every stamp is 1"),
    "all to [0, 1]": (lambda x: to_unit_range(x, axis=None), "the largest of all pixels is 1"),
    "whole numbers": (lambda x: np.rint(x * 10), "all pixels are whole numbers"),
    "8-bit pictures": (lambda x: np.rint(255 * to_unit_range(x)), "8-bit pictures"),
    "reversed bands": (lambda x: x[..., ::-1], r"looks like z i r g u \(reversed\?\)"),
    "shadows": (lambda x: -x, "there is no galaxy at the centre"),
    "times 10": (lambda x: x * 10, "18.. r mag per square arcsec .* multiplied by a number"),
    "times 5": (lambda x: x * 5, "multiplied by a number"),
    "times 0.1": (lambda x: x * 0.1, "23.. r mag per square arcsec .* multiplied by a number"),
    "each stamp standardised": (standardised, "the mean of every stamp is 0"),
    "each band standardised": (
        lambda x: standardised(x, axis=(1, 2)),
        "the mean of every band is 0",
    ),
    "all standardised": (
        lambda x: standardised(x, axis=(0, 1, 2, 3)),
        "-band border of the stamps lies .* times the noise below 0",
    ),
    "each band divided by its scatter in the file": (
        lambda x: x / np.nanstd(x, axis=(0, 1, 2)),
        "median g - z is 0.* mag, where galaxies have 0.5 or more: these look divided by a number",
    ),
    "divided by their standard deviation": (
        lambda x: x / per_stamp(np.nanstd, x),
        "the standard deviation of every stamp is the same",
    ),
    "divided by their sum": (
        lambda x: x / per_stamp(np.nanmean, x, (1, 2)),
        "the mean of every band is the same",
    ),
    "asinh": (np.arcsinh, "g - z is 0.* mag less in the middle .* look stretched"),
    "asinh of a tenth": (lambda x: np.arcsinh(x * 10), "look stretched|has no tails"),
    "asinh in the noise": (lambda x: np.arcsinh(x * 100) / 100, "noise of the sky has no tails"),
    "logarithm": (lambda x: np.log1p(x), "less in the middle .* look stretched"),
    "square root": (
        lambda x: np.sign(x) * np.sqrt(np.abs(x)),
        "-band noise of the sky has no tails: .* a square root",
    ),
    "square root, NaN below 0": (np.sqrt, "-band noise of the sky is never negative"),
    "square root, 0 below 0": (
        lambda x: np.sqrt(np.maximum(x, 0)),
        "pixels are exactly 0, .* what lies below 0 was cut off",
    ),
}


def test_semi_real_galaxies_pass(stamps):
    assert problems(stamps) == ()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_is_said_in_one_line(stamps, fault):
    change, words = FAULTS[fault]
    with np.errstate(invalid="ignore"):
        lines = problems(change(stamps))
    assert any(re.search(words, line) for line in lines), lines
    assert all("\n" not in line and not line[0].isupper() for line in lines)


def test_a_wrong_order_of_the_bands_is_found_and_sorted(stamps):
    for order in list(itertools.permutations(range(5)))[1::10]:
        names = " ".join("ugriz"[band] for band in order)
        (problem,) = problems(stamps[:80, :, :, list(order)])
        assert "the band order contradicts galaxy colours" in problem
        assert f"what is read as u g r i z looks like {names} " in problem


@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_absent_bands_are_no_fault_and_the_rest_is_still_judged(stamps, fill):
    images = stamps.copy()
    images[..., ["ugriz".index(band) for band in "ui"]] = fill
    assert problems(images) == ()
    assert problems(images * COUNTS)
    assert problems(images / 255)
    assert problems(images[..., ::-1])


@pytest.mark.parametrize("noise", [1 / 41, 0.1, 3.0])
def test_other_surveys_pass(stamps, noise):
    """As deep as LSST after ten years, with galaxies as small and faint as it has; or noisier."""
    rng = np.random.default_rng(3)
    seen = np.nan_to_num(stamps).astype(np.float64)
    if (
        noise < 1
    ):  # three times as far: as bright per area but for (1 + z)^4, in a third of the width
        weights = overlap_weights(32, PIXEL_SCALE / 3)
        far = resample(seen, weights, weights) / 9
        seen = seen * noise * 0.1 + far * 0.5
    sky = rng.normal(size=stamps.shape) * SKY_SIGMA
    assert problems(seen + sky * (noise if noise < 1 else noise - 1)) == ()


def test_stars_and_faint_galaxies_seen_through_another_seeing_in_each_band_pass():
    """As in SDSS, where g is blurred more than z: points look bluer around than in the middle."""
    rng = np.random.default_rng(6)
    y, x = np.mgrid[:32, :32] - 15.5
    widths = np.array([1.6, 1.5, 1.4, 1.25, 1.2])  # pixels, sigma
    spread = np.exp(-(x**2 + y**2)[..., None] / (2 * widths**2)) / (2 * np.pi * widths**2)
    points = spread * np.array([0.2, 0.6, 1.0, 1.2, 1.4]) * SKY_SIGMA[2]
    for flux in (1e3, 1e4, 1e5):
        sky = rng.normal(size=(60, 32, 32, 5)) * SKY_SIGMA
        assert problems(flux * rng.uniform(0.5, 2, (60, 1, 1, 1)) * points + sky) == ()


def test_rounded_pixels_pass(stamps):
    for rounded in (np.round(stamps, 3), stamps.astype(np.float16)):
        assert problems(rounded) == ()


@pytest.mark.parametrize("n", [1, FEWEST - 1])
def test_few_galaxies_are_judged_by_exact_values_only(stamps, n):
    few = stamps[20 : 20 + n]
    for change in ("counts", "divided by 255", "sky left in", "reversed bands", "times 10"):
        assert problems(FAULTS[change][0](few)) == ()
    assert problems(few) == ()
    assert problems(FAULTS["whole numbers"][0](few))
    assert problems(FAULTS["divided by each band's maximum"][0](few))
    assert problems(standardised(few))
    assert problems(few / per_stamp(np.nanstd, few, (1, 2)))
    assert problems(FAULTS["counts"][0](stamps[:FEWEST]))


def test_bad_stamps_do_not_disturb(stamps):
    images = stamps[:100].copy()
    images[3] = np.nan
    images[4] = 0.0
    images[5, 2, 2, 2] = np.inf
    images[7, 2, 2, 2] = -3e38
    images[6:30, :, :, 3] = np.nan
    images[30:50, :20] = np.nan
    assert problems(images) == ()
    for nothing in (np.nan, 0.0, np.inf):
        assert problems(np.full((30, 32, 32, 5), nothing)) == ()


@pytest.mark.parametrize(
    ("value", "n"), [(-9999.0, 80), (-99.0, 5), (1e9, 5), (65535.0, 80), (0.0, 80), (-1.0, 5)]
)
def test_a_number_that_stands_for_masked_pixels_is_named(stamps, value, n):
    images = stamps[:n].copy()
    images[2, :3, :4, 2] = value
    images[4, 10:, 5, 0] = value
    (problem,) = problems(images)
    number = f"{np.float32(value):.6g}"
    assert (
        f"34 pixels are exactly {number}, in 2 of {n} galaxies (bands u r, first in row 2)"
        in problem
    )
    assert problem.endswith(f"given ingest.hdf5.masked_value: {number})")


def test_absent_bands_that_are_a_number_are_named_too_and_different_numbers_are_not(stamps):
    images = stamps.copy()
    images[0, 0, 0, 0] = -9999.0  # one alone stands for nothing
    images[5:9, :2, :, 1] = -9999.0 * np.random.default_rng(4).uniform(1, 2, (4, 2, 32))
    assert not any("exactly" in line for line in problems(images))
    flat = images.copy()
    flat[3, :, :, 1] = 5.0
    (problem,) = problems(flat)
    assert f"1024 pixels are exactly 5, in 1 of {N} galaxies (bands g, first in row 3)" in problem
    images[:, :, :, 4] = -999.0
    (problem,) = problems(images)
    assert f"{N * 1024} pixels are exactly -999, in {N} of {N} galaxies (bands z," in problem
