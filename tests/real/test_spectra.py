"""Redshifts read off six real SDSS spectra, against SDSS's own."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pix2z.archive.sdss_spectra import read_sdss_spectrum
from pix2z.sky.templates import template_spectra
from pix2z.spectra.template_redshift import fit_redshifts
from pix2z.spectra.templates import Search, Templates, with_emission_lines
from pix2z.wavelengths.lines import LINES
from tests.real.conftest import pix2z

EMITTED = {n: rest for n, rest in LINES.items() if not re.match("Ca|G band|Mg|Na", n)}
NAMES = (
    "spec-0266-51630-0168",
    "spec-0266-51630-0215",
    "spec-0266-51630-0367",
    "spec-0267-51608-0413",
    "spec-0268-51633-0074",
    "spec-1678-53433-0425",
)


@pytest.fixture(scope="module")
def paths(real_data: Path) -> list[Path]:
    return [real_data / f"spectra/{name}.fits" for name in NAMES]


@pytest.fixture(scope="module")
def table(paths, tmp_path_factory):
    """Rows that `pix2z redshift` writes of all six, over its default range of redshifts."""
    out = tmp_path_factory.mktemp("z") / "z.csv"
    pix2z("redshift", *paths, "--out", out)
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_the_redshift_is_sdsss(table, paths, index):
    row, sdss = table[index], read_sdss_spectrum(paths[index])
    assert row["file"] == str(paths[index])
    offset = (float(row["z"]) - sdss.z) / (1 + sdss.z)
    assert abs(offset) < 1e-4  # a third of what taking air for vacuum would shift it by
    assert 0 < float(row["z_err"]) < 1e-4
    assert row["pix2z_flags"] == "0"
    assert abs(float(row["z_second"]) - sdss.z) > 0.004


def test_stars_alone_and_gas_alone_agree_on_vacuum(paths):
    """kcorrect's continua without their lines would disagree with lines if they were in air."""
    spectrum = read_sdss_spectrum(paths[4])
    wavelength, flux = template_spectra()
    weight = spectrum.ivar.copy()
    for rest in EMITTED.values():
        place = rest * (1 + spectrum.z)
        weight[np.abs(spectrum.wavelength / place - 1) < 0.003] = 0
    stars = fit_redshifts(
        spectrum.wavelength,
        spectrum.flux[None],
        weight[None],
        Templates(wavelength, flux, non_negative=True),
    )
    assert abs(stars.z[0] - spectrum.z) / (1 + spectrum.z) < 1e-4


def test_noise_makes_errors_larger_and_redshifts_no_more_wrong_than_they_say(paths):
    """Noise is added until the signal-to-noise ratio is 2 per pixel."""
    wavelength, flux = template_spectra()
    templates = with_emission_lines(Templates(wavelength, flux, non_negative=True))
    spectrum = read_sdss_spectrum(paths[4])
    good = spectrum.ivar > 0
    sigma = np.median(spectrum.flux[good]) / 2
    rng = np.random.default_rng(1)
    noisy = spectrum.flux + rng.normal(0, sigma, (8, len(spectrum.flux)))
    ivar = np.where(good, 1 / (sigma**2 + 1 / np.where(good, spectrum.ivar, 1)), 0)
    ivar = np.tile(ivar, (8, 1))
    found = fit_redshifts(spectrum.wavelength, noisy, ivar, templates, Search(z_max=0.3))
    pull = (found.z - spectrum.z) / found.z_err
    trusted = found.flags == 0
    assert trusted.sum() >= 6
    assert (np.abs(pull[trusted]) < 5).all()
    assert np.median(found.z_err) > 5e-5


def test_wavelengths_of_lines_are_those_of_sdss(paths):
    with fits.open(paths[0]) as hdus:
        sdss = np.array(hdus[3].data["LINEWAVE"], np.float64)
    for name, rest in EMITTED.items():
        assert np.abs(sdss - rest).min() < 2e-3, name
