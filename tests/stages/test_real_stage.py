"""`make real`: what it needs is named, and without real frames it does nothing."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pix2z.config.split import SplitConfig
from pix2z.dataset.splits import make_splits
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.ingest.galaxies import ingest
from pix2z.network.estimator import load_pool
from pix2z.stages import real
from tests.field.planted import plant, write_field
from tests.injection.conftest import galaxies_of, write_drawn

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A folder with params.yaml and the galaxies of the renderer, but no model."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    write_drawn(tmp_path / "data/raw/semireal.h5", galaxies_of(250))
    with h5py.File(tmp_path / "data/raw/semireal.h5", "r+") as file:
        file["images"] = np.full((250, 5, 32, 32), 0.1, np.float32)
    return tmp_path


def call(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["real", *map(str, arguments)])
    real.main()


@pytest.fixture
def sky(tmp_path):
    """A folder as PIX2Z_REAL_DATA names it, with one planted field and no spectra."""
    (tmp_path / "sky/frames").mkdir(parents=True)
    for path in write_field(tmp_path / "sky", plant(), packed=""):
        path.rename(tmp_path / f"sky/frames/frame-{path.stem}-000094-1-0012.fits")
    return tmp_path / "sky"


def test_without_real_frames_it_says_so_and_writes_nothing(run_folder, monkeypatch, caplog):
    caplog.set_level("INFO")
    call(monkeypatch, "--data", "nowhere", "--out", "real.json")
    assert "no real frames in nowhere: nothing done; set PIX2Z_REAL_DATA" in caplog.text
    assert not (run_folder / "real.json").exists()


def test_what_a_run_has_not_made_yet_is_named(run_folder, sky, monkeypatch):
    with pytest.raises(InputError, match=r"models/full/pool\.json: missing; expected what `make"):
        call(monkeypatch, "--data", sky, "--out", "real.json")


def test_a_folder_that_is_not_there_is_named_before_anything_is_measured(
    run_folder, sky, trained_pool, monkeypatch
):
    with pytest.raises(InputError, match="--out none/real.json: expected a folder none; none"):
        call(monkeypatch, "--data", sky, "--model", trained_pool, "--out", "none/real.json")


def test_frames_of_other_names_are_one_line(run_folder, sky, trained_pool, monkeypatch):
    for path in (sky / "frames").iterdir():
        path.rename(path.with_name(path.name.replace("frame-", "image-")))
    with pytest.raises(InputError, match="expected frames named frame-BAND-RUN-CAMCOL-FIELD"):
        call(monkeypatch, "--data", sky, "--model", trained_pool, "--out", "real.json")


@pytest.mark.long
def test_a_model_is_measured_on_the_test_galaxies_in_the_field(
    run_folder, sky, trained_pool, monkeypatch, caplog
):
    caplog.set_level("INFO")
    options = ("--data", sky, "--model", trained_pool, "--against", trained_pool)
    call(monkeypatch, *options, "--out", "real.json", "--n", 24)
    report = json.loads((run_folder / "real.json").read_text())
    assert report["n_galaxies"] == 24
    assert list(report["fields"]) == ["000094-1-0012"]
    assert sum(one["n"] for one in report["crowding"].values()) == 24
    assert report["model_digest"] == load_pool(trained_pool).digest
    assert report["found"]["n_searched"] == 24
    assert "paste this into README.md" in caplog.text
    assert "| in real sky, 1 field |" in caplog.text
    same = report["overall"]["real / against"]["crps"]
    assert same == {"value": 1.0, "low": 1.0, "high": 1.0}
    with pytest.raises(InputError, match="--fields: 000095-1-0012: not in .* 000094-1-0012"):
        call(monkeypatch, *options, "--out", "real.json", "--fields", "000095-1-0012")


def test_the_galaxies_are_those_of_the_test_part_with_their_own_stamps(tmp_path):
    """As ingest and split of the default run have them; moved stamps are left out."""
    raw = write_drawn(tmp_path / "semireal.h5", galaxies_of(250))
    with h5py.File(raw, "r+") as file:
        number = np.arange(250, dtype=np.float32)[:, None, None, None]
        file["images"] = np.broadcast_to(0.1 + number / 1000, (250, 5, 32, 32))
    galaxies, rows = real._test_galaxies(raw, ROOT / "params.yaml", most=None)
    limits = {"z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}
    ingest(raw, tmp_path / "galaxies.h5", layout="sdss32", check_photometry=False, **limits)
    split = SplitConfig.read(ROOT / "params.yaml")
    with open_galaxies(tmp_path / "galaxies.h5") as stored:
        parts = make_splits(
            group_id=stored.column("group_id"),
            object_id=stored.column("object_id"),
            z_spec=stored.column("specz_redshift"),
            moved=stored.column("moved"),
            seed=split.seed,
            fractions=split.fractions.model_dump(),
            clip_sigma=split.clip_sigma,
        )
        expected = stored.column("row_origin", parts["full"].test)
    np.testing.assert_array_equal(rows, expected)
    assert 0 < len(rows) < 60
    np.testing.assert_array_equal(galaxies.parent, 100 + rows)
    images = real._images(raw, rows)
    assert images.shape == (len(rows), 32, 32, 5)
    np.testing.assert_allclose(images[:, 3, 4, 1], 0.1 + rows / 1000, rtol=1e-6)
    moved = write_drawn(tmp_path / "moved.h5", galaxies_of(250), n_moved=100)
    galaxies, rows = real._test_galaxies(moved, ROOT / "params.yaml", most=None)
    assert rows.max() < 150


@pytest.mark.parametrize("n", [0, -1])
def test_no_galaxies_at_all_are_one_line(run_folder, sky, trained_pool, monkeypatch, n):
    options = ("--data", sky, "--model", trained_pool, "--out", "real.json", "--n", n)
    with pytest.raises(InputError, match=f"no galaxy to put .* of 1 or more; received {n}"):
        call(monkeypatch, *options)
    assert not (run_folder / "real.json").exists()
