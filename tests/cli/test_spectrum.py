"""``pix2z spectrum`` on files of images, and what it draws."""

import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest

from pix2z.dataset.store import open_galaxies
from pix2z.files import file_digest, read_json, write_json
from pix2z.saved.sealed import seal
from pix2z.spectra.reconstructed import Reconstructed
from pix2z.spectra.ways import template_fit
from pix2z.spectrum_network.estimator import load_spectrum_estimator
from pix2z.stages.train_spectrum import reconstruct
from tests.catalogue.conftest import largest_file
from tests.cli.conftest import N, one_line


@pytest.fixture
def run(on_images):
    """Return what runs ``pix2z spectrum`` there: exit code, stdout, stderr."""
    return partial(on_images, "spectrum", out="s.hdf5")


@pytest.fixture(scope="module")
def direct(images_folder):
    """The network, and what it makes of the galaxies when it is asked itself."""
    galaxies, _ = read(images_folder / "galaxies.h5")
    network = load_spectrum_estimator(images_folder / "spectrum/models/full")
    return network, network.reconstruct(galaxies["images"], galaxies["ebv"]).flux


def read(path):
    with h5py.File(path, "r") as file:
        return {key: file[key][...] for key in file if key != "basis"}, dict(file.attrs)


@pytest.mark.parametrize("layout", ["sdss32.h5", "cube.fits"])
def test_spectra_are_those_of_the_network_in_the_order_of_the_file(
    run, images_folder, direct, tmp_path, layout
):
    galaxies, _ = read(images_folder / "galaxies.h5")
    keys = ("-m", "object_id=id", "-m", "ebv=ebv") if layout == "cube.fits" else ()
    code, said, errors = run(layout, *keys)
    assert code == 0, errors
    found, attributes = read(tmp_path / "s.hdf5")
    network, flux = direct
    relative = found["flux"] / found["mean_flux_r"][:, None]
    np.testing.assert_allclose(relative, flux, rtol=1e-3, atol=1e-4)
    assert len(np.unique(relative[:, 60])) == N  # else any order of rows would pass
    np.testing.assert_array_equal(found["object_id"], galaxies["object_id"])
    np.testing.assert_allclose(found["ebv"], galaxies["ebv"], rtol=1e-6)
    np.testing.assert_array_equal(found["pix2z_flags"], np.where(np.arange(N) == 3, 2, 0))
    assert (found["flux_error95"] > found["flux_error"]).all()
    assert attributes["model_digest"] == network.digest
    assert attributes["arm"] == "full"
    assert attributes["input"] == layout
    assert attributes["unit"] == "1e-17 erg / (s cm2 Angstrom)"
    assert file_digest(images_folder / layout) in attributes["input_sha256"]
    assert said.startswith("40 galaxies in ")
    assert said.endswith(
        "\n1 flagged (pixels are masked or impossible: 1)\n"
        f"Next: pix2z redshift {tmp_path / 's.hdf5'} --out {tmp_path / 's.csv'}\n"
    )


def test_redshifts_of_the_file_are_those_that_the_report_scores(
    run, images_folder, pix2z_in, tmp_path, monkeypatch
):
    """From the same images to a table of redshifts: by two commands, and as the pipeline does."""
    assert run("galaxies.h5")[0] == 0
    code, _, errors = pix2z_in(tmp_path, "redshift", "s.hdf5", "--out", "z.csv")
    assert code == 0, errors
    shutil.copytree(images_folder / "spectrum/models", tmp_path / "spectrum/models")
    monkeypatch.chdir(tmp_path)
    rows = np.arange(N)
    split = SimpleNamespace(calibration=rows[:10], test=rows[10:])
    with open_galaxies(images_folder / "galaxies.h5") as galaxies:
        folder, record = Path("spectrum/models/full"), {"arm": "full"}
        reconstruct(SimpleNamespace(galaxies=galaxies, split=split, folder=folder, record=record))
    with h5py.File("spectrum/reconstructed/full.hdf5") as file:
        scored = template_fit(Reconstructed(file, n_calibration=10))
    table = pd.read_csv("z.csv")
    np.testing.assert_allclose(table["z"], scored.z, atol=1e-6)
    np.testing.assert_array_equal(table.filter(like="flags").squeeze(), scored.flags)
    assert table["z"].between(0.0, 0.4).all()
    assert table["z"].nunique() > N / 2


def test_some_galaxies_are_drawn_the_same_for_the_same_seed(run, tmp_path):
    for name, seed in (("a.png", "5"), ("b.png", "5"), ("c.png", "6")):
        code, said, errors = run("sdss32.h5", "--plot", str(tmp_path / name), "--seed", seed)
        assert code == 0, errors
        assert f", 9 of them in {tmp_path / name}\n" in said
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b
    assert a != c


def test_a_seed_of_no_figure_is_refused(run, tmp_path):
    one_line(run("sdss32.h5", "--seed", "5"), "--seed: says which galaxies --plot draws; expected")
    assert list(tmp_path.iterdir()) == []


def test_lines_are_drawn_at_the_redshift_of_the_file_where_it_has_one(
    run, images_folder, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(
        "pix2z.catalogue.spectra.plot_spectra", lambda shown, **_: drawn.extend(shown)
    )
    with (
        h5py.File(tmp_path / "some.h5", "w") as file,
        h5py.File(images_folder / "sdss32.h5") as raw,
    ):
        file["images"], file["e_bv"] = raw["images"][:2], raw["e_bv"][:2]
        file["specz_redshift"] = np.array([0.123, np.nan], np.float32)
    code, _, errors = run(tmp_path / "some.h5", "--plot", str(tmp_path / "p.png"))
    assert code == 0, errors
    found, _ = read(tmp_path / "s.hdf5")
    expected = [0.123, found["pix2z_z_median"][1]]
    assert [one.z for one in drawn] == pytest.approx(expected, abs=1e-6)


def test_nothing_is_drawn_of_nothing(run, tmp_path):
    with h5py.File(tmp_path / "blank.h5", "w") as file:
        file["images"] = np.full((2, 5, 32, 32), np.nan, np.float32)
    code, said, errors = run(tmp_path / "blank.h5", "--no-check", "--plot", str(tmp_path / "p.png"))
    assert code == 0, errors
    assert "; no figure, since no galaxy has a spectrum\n" in said
    assert not (tmp_path / "p.png").exists()


def test_a_figure_that_cannot_be_written_leaves_whole_spectra(run, images_folder, tmp_path):
    plot = images_folder / "sdss32.h5/p.png"  # below a file
    one_line(run("sdss32.h5", "--plot", str(plot)), f"error: {plot}: cannot be written (")
    assert read(tmp_path / "s.hdf5")[0]["flux"].shape == (N, 200)


def test_a_model_of_other_settings_is_one_line(run, images_folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(images_folder / "spectrum/models/full", other)
    description = read_json(other / "spectrum.json")
    del description["settings"]["n_templates"]
    description["digest"] = seal(description)
    write_json(other / "spectrum.json", description)
    missing = f"error: {other}/spectrum.json: settings.n_templates: field required\n"
    one_line(run("sdss32.h5", model=str(other)), missing)


def test_a_full_disk_is_one_line_and_leaves_nothing(run, tmp_path):
    with largest_file(20_000):
        answer = run("sdss32.h5")
    one_line(answer, "s.hdf5: cannot be written (")
    assert list(tmp_path.iterdir()) == []


def test_without_a_model_full_is_taken_and_said(images_folder, pix2z_in, tmp_path):
    out = tmp_path / "s.hdf5"
    code, said, errors = pix2z_in(images_folder, "spectrum", "sdss32.h5", "--out", out)
    assert (code, errors) == (0, "")
    assert said.startswith("No --model given, and no spectrum model is champion: full is taken.\n")
    assert read(out)[1]["arm"] == "full"
