import numpy as np

from pix2z.redshift_pdf import density as pdf
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.flags import (
    FIT_FLAG_MEANINGS,
    IMAGE_FLAG_MEANINGS,
    SPECTRUM_FLAG_MEANINGS,
    FitFlag,
    ImageFlag,
    in_words,
)
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import COLUMNS, image_flags, redshifts
from pix2z.redshift_pdf.residual import fit_residual_pdf

GRID = RedshiftGrid(0.0, 0.4, 8)


def test_bits_never_change_and_every_one_has_its_meaning():
    """They are in tables that people keep."""
    assert {flag.name: int(flag) for flag in ImageFlag} == {
        "BAND_ABSENT": 1,
        "PIXELS_MASKED": 2,
        "EBV_UNKNOWN": 4,
        "BLANK": 8,
        "NO_R_FLUX": 16,
        "UNLIKE_SAMPLE": 32,
        "AT_GRID_END": 64,
        "SEVERAL_MODES": 128,
    }
    assert [int(flag) for flag in FitFlag] == [1, 2, 4, 8, 16, 32]
    assert set(FIT_FLAG_MEANINGS) == set(FitFlag)
    assert set(SPECTRUM_FLAG_MEANINGS) == {1, 2, 4, 8, 16}
    assert set(IMAGE_FLAG_MEANINGS) == set(ImageFlag) - {ImageFlag.NO_R_FLUX}
    assert in_words(IMAGE_FLAG_MEANINGS).startswith("1: a band is absent; 2: pixels are masked")


def test_flags_say_what_is_missing_and_blank_galaxies_have_no_redshift():
    images = np.ones((5, 32, 32, 5), np.float32)
    images[1, ..., 0], images[2, 3, 4, 1], images[3] = np.nan, np.nan, np.nan
    flags = image_flags(images, np.array([0.1, 0.1, 0.1, 0.1, np.nan]))
    assert flags.dtype == np.int32
    assert flags.tolist() == [0, 1, 2, 1 + 8, 4]
    density = np.full((5, 8), 1e-3)
    density[:, 4] = 20.0
    whole = redshifts(density, Temperature(1.0), grid=GRID, flags=np.zeros_like(flags))
    assert np.isfinite(whole.z_median).all()
    emptied = redshifts(density, Temperature(1.0), grid=GRID, flags=flags)
    for name in ("density", "z_phot", "z_median", "z_mean", "z_mode", "err68_low", "err95_high"):
        values, before = getattr(emptied, name), getattr(whole, name)
        assert np.isnan(values[3]).all()
        np.testing.assert_array_equal(np.delete(values, 3, 0), np.delete(before, 3, 0))
    assert emptied.flags.tolist() == flags.tolist()
    assert emptied.flags.dtype == np.int32


def test_what_a_model_is_judged_by_is_the_median_or_a_networks_own_redshift():
    density = np.full((3, 8), 1e-3)
    density[:, 4] = 20.0
    of_pdfs = redshifts(density, Temperature(1.0), grid=GRID, flags=np.zeros(3, np.int32))
    np.testing.assert_array_equal(of_pdfs.z_phot, of_pdfs.z_median)
    rng = np.random.default_rng(2)
    z_phot = rng.uniform(0.05, 0.35, 200)
    residuals = fit_residual_pdf(z_phot, z_phot + 0.02, grid=GRID, n_phot_bins=2)
    own = np.array([0.1, 0.2, 0.3])
    given = redshifts(own, residuals, grid=GRID, flags=np.array([0, 0, 9], np.int32))
    np.testing.assert_array_equal(given.columns()["pix2z_z_best"], np.float32([0.1, 0.2, np.nan]))
    assert (np.abs(given.z_median - own)[:2] > 0.01).all()
    assert np.isnan(given.z_median[2])
    np.testing.assert_array_equal(own, [0.1, 0.2, 0.3])  # the input is left as it is


def test_values_are_the_same_whatever_was_asked_for_before():
    rng = np.random.default_rng(4)
    density = rng.gamma(0.5, size=(50, 8)) + 1e-6
    flags = np.where(np.arange(50) == 7, 9, 0).astype(np.int32)

    def fresh():
        return redshifts(density, Temperature(1.0), grid=GRID, flags=flags)

    whole, single = fresh().columns(), fresh()
    for name in reversed(COLUMNS):
        alone = fresh().columns(names=[name])
        assert list(alone) == [name]
        for found in (alone, single.columns(names=[name])):
            assert found[name].dtype == COLUMNS[name].dtype
            np.testing.assert_array_equal(found[name], whole[name])


def test_only_the_limits_that_are_wanted_are_read_and_in_one_go(monkeypatch):
    asked = []

    def quantiles(density, grid, levels):
        asked.append(list(levels))
        return pdf.quantiles(density, grid, levels)

    monkeypatch.setattr("pix2z.redshift_pdf.redshifts.quantiles", quantiles)
    density = np.full((3, 8), 2.5)
    found = redshifts(density, Temperature(1.0), grid=GRID, flags=np.zeros(3, np.int32))
    found.columns(names=["pix2z_z_err95_high", "pix2z_z_best", "pix2z_z_mean"])
    assert asked == [[0.975, 0.5]]
    found.columns()
    assert asked[1:] == [[0.16, 0.84, 0.025]]


def test_flags_tell_of_peaks_near_an_end_of_the_grid_and_of_several():
    grid = RedshiftGrid(0.0, 0.4, 400)

    def normal(z, sigma=0.01):
        return np.exp(-((grid.centres - z) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))

    cases = {
        "narrow, far from both ends": (normal(0.2), 0),
        "real, at low redshift": (normal(0.03), 0),
        "still rising at the last bin": (normal(0.42), ImageFlag.AT_GRID_END),
        "closer to the first bin than its error": (normal(0.004), ImageFlag.AT_GRID_END),
        "two peaks": (0.8 * normal(0.1, 0.02) + 0.2 * normal(0.24), ImageFlag.SEVERAL_MODES),
        "a second of 3 %": (0.97 * normal(0.1, 0.03) + 0.03 * normal(0.3, 0.005), 0),
        "ripples closer than the resolution": (
            normal(0.2, 0.02) * (1.05 + np.cos(400 * np.pi * grid.centres)),
            0,
        ),
    }
    density = np.stack([one / (one.sum() * grid.width) for one, _ in cases.values()])
    found = redshifts(density, Temperature(1.0), grid=grid, flags=np.zeros(len(cases), np.int32))
    assert dict(zip(cases, found.flags.tolist(), strict=True)) == {
        name: int(flag) for name, (_, flag) in cases.items()
    }
