"""``-m survey=panstarrs``: one word on the command line, and in params.yaml."""

import h5py
import numpy as np
import pandas as pd

from tests.cli.conftest import one_line

N, SIDE = 4, 52


def write(path, **attributes):
    """Write round galaxies of r = 16.5 in griz as counts of Pan-STARRS."""
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    light = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 6.0**2))
    light = light * np.array([120.0, 250.0, 330.0, 400.0])[:, None, None] / light.sum()
    noise = np.random.default_rng(1).normal(0, 0.015, (N, 4, SIDE, SIDE))
    with h5py.File(path, "w") as file:
        file["images"] = (light + noise) * 10 ** (0.4 * 2.5) * 500
        file["images"].attrs.update(attributes)
    return path


def test_a_file_of_pan_starrs_gets_redshifts_and_the_flag_of_an_absent_band(
    images_folder, pix2z_in, tmp_path
):
    file, out = write(tmp_path / "ps.h5", exptime=500.0), tmp_path / "z.csv"
    predict = ("predict", file, "--model", "full", "--out", out, "-m", "survey=panstarrs")
    code, _, errors = pix2z_in(images_folder, *predict)
    assert code == 0, errors
    table = pd.read_csv(out)
    assert len(table) == N
    assert (table["pix2z_flags"] & 1 == 1).all()
    assert table["pix2z_z_median"].between(0, 0.4).all()


def test_inspect_says_what_the_survey_says(images_folder, pix2z_in, tmp_path):
    file = write(tmp_path / "ps.h5", exptime=500.0)
    code, said, errors = pix2z_in(images_folder, "inspect", file, "-m", "survey=panstarrs")
    assert code == 0, errors
    words = " ".join(said.split())
    assert "read as g r i z, as survey panstarrs says; absent: u" in words
    assert words.endswith("-m survey=panstarrs --out z.parquet")


def test_without_its_exposure_it_is_one_line(images_folder, pix2z_in, tmp_path):
    file, out = write(tmp_path / "ps.h5"), tmp_path / "z.csv"
    predict = ("predict", file, "--model", "full", "--out", out, "-m", "survey=panstarrs")
    answer = pix2z_in(images_folder, *predict)
    one_line(answer, "the zero point of survey panstarrs is that of a second's counts")
    assert not out.exists()
