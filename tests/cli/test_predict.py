"""`pix2z predict` on every layout, and what it says where something is wrong."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import qp

from pix2z import cli
from pix2z.dataset.store import open_galaxies
from pix2z.network.estimator import Member, fresh_model, load_pool, save_member, save_pool
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.grid import RedshiftGrid

N = 40
HDF5_OPTIONS = ("-m", "images=pix/stamps", "-m", "bands=zirgu", "-m", "unit=nanomaggy")
HDF5_COLUMNS = ("-m", "object_id=cat/id", "-m", "ebv=cat/ebv")
LAYOUTS = {
    "seed.h5": (),
    "nersc.h5": (),
    "hdf5.h5": (*HDF5_OPTIONS, *HDF5_COLUMNS),
    "pasquet.npz": (),
    "galaxies.h5": (),
}
SETTINGS = {
    "precision": "float32",
    "use_ebv": True,
    "trunk_filters": [2],
    "dense_units": [4],
    "dropout": 0.0,
    "learning_rate": 0.001,
    "weight_decay": 0.0,
    "label_smoothing_dz": 0.0,
    "batch_size": 8,
    "epochs": 1,
    "patience": 1,
    "augment": False,
    "band_dropout": 0.0,
}
GRID = RedshiftGrid(0.0, 0.4, 60)


def framed(stamps, *, side, first):
    whole = np.zeros((len(stamps), side, side, 5), np.float32)
    whole[:, first : first + 32, first : first + 32] = stamps
    return whole


def write_hdf5(path, keys):
    with h5py.File(path, "w") as file:
        for key, values in keys.items():
            file[key] = values


def write_layouts(folder: Path, galaxies_path: Path) -> None:
    """Write the first galaxies of `galaxies_path` in every layout."""
    with open_galaxies(galaxies_path) as galaxies:
        rows = np.arange(N)
        stamps = galaxies.images(rows)
        names = ("object_id", "ebv", "specz_redshift")
        object_id, ebv, z_spec = (galaxies.column(name, rows) for name in names)
    stamps[3, :5] = np.nan
    columns = {"ObjID": object_id, "e_bv": ebv}
    first = stamps.transpose(0, 3, 1, 2)
    write_hdf5(folder / "seed.h5", {"images": first, "specz_redshift": z_spec, **columns})
    wide = framed(stamps, side=107, first=37).transpose(0, 3, 1, 2)
    write_hdf5(folder / "nersc.h5", {"images": wide, **columns})
    keys = {"pix/stamps": stamps[..., ::-1], "cat/id": object_id, "cat/ebv": ebv}
    write_hdf5(folder / "hdf5.h5", keys)
    labels = np.zeros(N, [("objID", "i8"), ("EBV", "f4")])
    labels["objID"], labels["EBV"] = object_id, ebv
    cube = framed(stamps, side=64, first=16)
    np.savez(folder / "pasquet.npz", cube=cube, labels=labels)
    shutil.copy(galaxies_path, folder / "galaxies.h5")
    with h5py.File(folder / "galaxies.h5", "r+") as file:
        for name in list(file):
            kept = file[name][:N]
            del file[name]
            file[name] = stamps if name == "images" else kept


@pytest.fixture(scope="module")
def place(tmp_path_factory, sample_path):
    """A folder with models/full, untrained, and the same galaxies in every layout."""
    folder = tmp_path_factory.mktemp("place")
    models = folder / "models/full"
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        member = Member(
            architecture="hybrid",
            model=fresh_model("hybrid", SETTINGS, grid=GRID),
            grid=GRID,
            settings=SETTINGS,
            record={"arm": "full", "seed": seed},
            calibration=Temperature(1.0),
        )
        save_member(models / f"seed-{seed}", member)
    save_pool(models, ["seed-1", "seed-2"], Temperature(1.0))
    write_layouts(folder, sample_path)
    return folder


@pytest.fixture
def run(place, monkeypatch, capsys, tmp_path):
    """Return a function that runs `pix2z predict` in the folder: exit code, stdout, stderr."""

    def call(file, *options, out="z.parquet", model="full"):
        monkeypatch.chdir(place)
        arguments = ["predict", str(file), "--model", model, "--out", str(tmp_path / out)]
        monkeypatch.setattr("sys.argv", ["pix2z", *arguments, *options])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        return code, *capsys.readouterr()

    return call


def expected(place, ebv=None):
    """What the pool says of the galaxies, asked directly."""
    with h5py.File(place / "galaxies.h5") as file:
        images, own = file["images"][...], file["ebv"][...]
        object_id = file["object_id"][...]
    pool = load_pool(place / "models/full")
    return object_id, pool.estimate(images, own if ebv is None else np.full(N, ebv, np.float32))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_same_galaxies_get_the_same_redshifts_in_every_layout(run, place, tmp_path, name):
    code, said, errors = run(name, *LAYOUTS[name])
    assert code == 0, errors
    object_id, found = expected(place)
    table = pq.read_table(tmp_path / "z.parquet").to_pandas()
    np.testing.assert_array_equal(table["object_id"], object_id)
    for column in ("median", "mean", "mode"):
        np.testing.assert_allclose(
            table[f"pix2z_z_{column}"], getattr(found, f"z_{column}"), rtol=1e-5
        )
    for limit in ("err68_low", "err68_high", "err95_low", "err95_high"):
        np.testing.assert_allclose(table[f"pix2z_z_{limit}"], getattr(found, limit), rtol=1e-5)
    np.testing.assert_array_equal(table["flags"], np.where(np.arange(N) == 3, 2, 0))
    assert said.startswith("40 galaxies in ")
    assert "1 flagged (pixels are masked or impossible: 1); redshifts in " in said


def test_networks_that_saw_no_data_still_tell_galaxies_apart(place):
    """Else the layouts would agree whatever was read."""
    _, found = expected(place)
    assert len(np.unique(found.z_mean)) == N


def test_known_redshifts_are_compared_and_unknown_ones_are_not(run):
    _, said, _ = run("seed.h5")
    assert "Against 40 redshifts in the file, which may include training galaxies: MAE 0." in said
    _, said, _ = run("nersc.h5")
    assert "Against" not in said


def test_csv_and_pdfs_beside_each_other(run, tmp_path, place):
    pdf = tmp_path / "pdf" / "z.hdf5"
    code, said, errors = run("seed.h5", "--pdf", str(pdf), out="z.csv")
    assert code == 0, errors
    assert said.splitlines()[0].endswith(f"redshifts in {tmp_path / 'z.csv'}, PDFs in {pdf}")
    table, ensemble = pd.read_csv(tmp_path / "z.csv"), qp.read(str(pdf))
    object_id, found = expected(place)
    np.testing.assert_array_equal(ensemble.ancil["object_id"], object_id)
    np.testing.assert_allclose(ensemble.objdata["pdfs"], found.density, rtol=1e-4)
    np.testing.assert_allclose(table["pix2z_z_median"], ensemble.ancil["pix2z_z_median"], rtol=1e-6)


def test_metadata_names_model_and_input(run, tmp_path, place):
    run("seed.h5")
    metadata = pq.read_schema(tmp_path / "z.parquet").metadata
    assert metadata[b"pix2z.model_digest"].decode() == load_pool(place / "models/full").digest
    assert metadata[b"pix2z.arm"] == b"full"
    assert metadata[b"pix2z.grid"] == b'{"z_min": 0.0, "z_max": 0.4, "n_bins": 60}'
    assert metadata[b"pix2z.input"] == b"seed.h5"
    assert b"8: every band is blank" in metadata[b"pix2z.flags"]
    from pix2z.files import file_digest

    assert file_digest(place / "seed.h5") in metadata[b"pix2z.input_sha256"].decode()


def test_large_inputs_have_no_digest(run, tmp_path, monkeypatch):
    monkeypatch.setattr("pix2z.catalogue.provenance.MOST_DIGESTED_BYTES", 1000)
    run("seed.h5")
    assert b"pix2z.input_sha256" not in pq.read_schema(tmp_path / "z.parquet").metadata


def test_one_ebv_for_all_galaxies(run, tmp_path, place):
    code, _, errors = run("seed.h5", "--ebv", "0.25")
    assert code == 0, errors
    table = pq.read_table(tmp_path / "z.parquet").to_pandas()
    _, found = expected(place, ebv=0.25)
    np.testing.assert_allclose(table["pix2z_z_mean"], found.z_mean, rtol=1e-5)
    assert not np.allclose(found.z_mean, expected(place)[1].z_mean, rtol=1e-5)
    assert pq.read_schema(tmp_path / "z.parquet").metadata[b"pix2z.ebv"].startswith(b"0.25 mag")


def test_ebv_from_another_column(run, tmp_path, place):
    with h5py.File(tmp_path / "dust.h5", "w") as file, h5py.File(place / "seed.h5") as seed:
        file["images"] = seed["images"][...]
        file["dust"] = np.full(N, 0.25, np.float32)
    code, _, errors = run(tmp_path / "dust.h5", "--ebv", "dust")
    assert code == 0, errors
    table = pq.read_table(tmp_path / "z.parquet").to_pandas()
    np.testing.assert_allclose(
        table["pix2z_z_mean"], expected(place, ebv=0.25)[1].z_mean, rtol=1e-5
    )
    code, _, errors = run(tmp_path / "dust.h5")
    assert code == 0, errors
    assert (pq.read_table(tmp_path / "z.parquet").to_pandas()["flags"] & 4 == 4).all()


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("nope.h5", (), "nope.h5: cannot be opened: no such file"),
        ("models/full/pool.json", (), "pool.json: cannot be opened: damaged or not HDF5"),
        ("seed.h5", ("--layout", "fits"), "layout: expected one of "),
        ("seed.h5", ("--ebv", "dust"), "--ebv: 'dust' is no number, and "),
        ("seed.h5", ("--ebv", "-0.1"), "--ebv: expected E(B-V) of 0 mag or more, or a key; rec"),
        ("seed.h5", ("--ebv", "nan"), "--ebv: expected E(B-V) of 0 mag or more, or a key; rec"),
        ("seed.h5", ("--model", "none"), "model 'none': not found; expected one of full"),
        ("seed.h5", ("--pdf", "z.h5"), "z.h5: expected a name ending in .hdf5"),
        ("seed.h5", ("--out", "z.fits"), "z.fits: expected a name ending in .parquet or .csv"),
        ("seed.h5", ("--params", "no.yaml"), "no.yaml: cannot be read"),
        ("hdf5.h5", ("-m", "stamps=pix"), "option -m: expected one of images, axes, "),
        ("hdf5.h5", ("-m", "unit"), "option -m: expected KEY=VALUE; received 'unit'"),
        ("hdf5.h5", HDF5_OPTIONS[:4], "hdf5.h5: "),  # nothing says what unit the pixels are in
        ("seed.h5", ("--out", "seed.h5/z.csv"), "seed.h5/z.csv: cannot be written ("),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(run, place, tmp_path, file, options, words):
    before = sorted(place.iterdir())
    code, said, errors = run(file, *options)
    assert code == 2
    assert words in errors
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert said == ""
    assert list(tmp_path.iterdir()) == []
    assert sorted(place.iterdir()) == before


def test_an_altered_model_is_refused(run, place, tmp_path):
    shutil.copytree(place / "models/full", tmp_path / "altered")
    weights = tmp_path / "altered/seed-1/weights.weights.h5"
    content = bytearray(weights.read_bytes())
    content[-10] ^= 1
    weights.write_bytes(content)
    code, _, errors = run("seed.h5", model=str(tmp_path / "altered"))
    assert code == 1  # IntegrityError has a code of its own
    assert "weights do not match the digest" in errors
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["altered"]


@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_the_input_is_never_replaced(run, place, tmp_path, link):
    raw = tmp_path / "raw.csv"  # HDF5 under a name that --out takes
    shutil.copy(place / "seed.h5", raw)
    before = raw.read_bytes()
    out = raw
    if link != "same":
        out = tmp_path / "link.csv"
        (out.symlink_to if link == "symbolic" else out.hardlink_to)(raw)
    code, _, errors = run(raw, out=out.name)
    assert (code, errors) == (2, f"error: {out}: is the input itself; expected another name\n")
    pdf = tmp_path / "raw.hdf5"
    raw.rename(pdf)
    code, _, errors = run(pdf, "--pdf", str(pdf))
    assert (code, errors) == (2, f"error: {pdf}: is the input itself; expected another name\n")
    assert pdf.read_bytes() == before


def test_a_folder_is_no_output(run, tmp_path):
    (tmp_path / "z.csv").mkdir()
    code, _, errors = run("seed.h5", out="z.csv")
    assert code == 2
    assert "z.csv: is a folder; expected the name of a file" in errors


def test_counts_are_refused_unless_they_are_wanted(run, place, tmp_path):
    with h5py.File(tmp_path / "counts.h5", "w") as file, h5py.File(place / "seed.h5") as seed:
        file["images"] = np.rint(np.nan_to_num(seed["images"][...]) * 213)
    code, _, errors = run(tmp_path / "counts.h5")
    assert code == 2
    assert "counts" in errors
    assert "(--no-check predicts all the same)" in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "z.parquet").exists()
    code, _, errors = run(tmp_path / "counts.h5", "--no-check")
    assert code == 0, errors
    assert len(pq.read_table(tmp_path / "z.parquet")) == N


def test_impossible_pixels_spoil_their_own_galaxy_only(run, place, tmp_path):
    with h5py.File(tmp_path / "odd.h5", "w") as file, h5py.File(place / "seed.h5") as seed:
        images = seed["images"][...]
        images[0], images[1, 2] = 3e38, -3e38
        images[2, :, ::2, ::2] = np.inf
        images[5, 0] = 1e30
        file["images"], file["e_bv"] = images, seed["e_bv"][...]
    code, _, errors = run(tmp_path / "odd.h5")
    assert code == 0, errors
    table = pq.read_table(tmp_path / "z.parquet").to_pandas()
    flags = np.zeros(N, int)
    flags[[0, 1, 2, 3, 5]] = [9, 1, 2, 2, 1]
    np.testing.assert_array_equal(table["flags"], flags)
    np.testing.assert_array_equal(table["pix2z_z_mean"].isna(), flags & 8 != 0)
    kept = np.setdiff1d(np.arange(N), [0, 1, 2, 5])
    np.testing.assert_allclose(
        table["pix2z_z_mean"][kept], expected(place)[1].z_mean[kept], rtol=1e-5
    )


def test_an_output_is_replaced_by_success_only(run, place, tmp_path):
    out = tmp_path / "z.parquet"
    out.write_bytes(b"earlier")
    with h5py.File(tmp_path / "cut.h5", "w") as file, h5py.File(place / "seed.h5") as seed:
        file.create_dataset("images", data=seed["images"][...], chunks=(8, 5, 32, 32), shuffle=True)
        offset = file["images"].id.get_chunk_info(4).byte_offset
    with (tmp_path / "cut.h5").open("r+b") as file:
        file.truncate(offset)
    code, _, errors = run(tmp_path / "cut.h5")
    assert code == 2
    assert errors.count("\n") == 1
    assert out.read_bytes() == b"earlier"
    assert run("seed.h5")[0] == 0
    assert len(pq.read_table(out)) == N


RUN = """
import sys
from pix2z import cli
from pix2z.catalogue import stamps

def wait(survey):
    print("in the middle", flush=True)
    sys.stdin.read()

stamps.usable_pixels = wait
cli.main()
"""


def test_a_batch_system_may_end_it(place, tmp_path):
    """SIGTERM ends it as an error does: nothing is left, not even a temporary file.

    TensorFlow has started by then, and has kept quiet.
    """
    out, pdf = tmp_path / "z.parquet", tmp_path / "z.hdf5"
    out.write_bytes(b"earlier")
    arguments = ["predict", "seed.h5", "--model", "full", "--out", str(out), "--pdf", str(pdf)]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
        env={key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"},
    )
    assert process.stdout.readline() == "in the middle\n"
    assert len(list(tmp_path.iterdir())) == 3
    process.terminate()
    _, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert errors == ""
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_bytes() == b"earlier"
