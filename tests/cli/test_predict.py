"""``pix2z predict`` on every layout, and how it ends."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import qp
import yaml

from pix2z.catalogue.compact_pdfs import read_quantiles
from pix2z.catalogue.estimator import load_pool
from pix2z.files import file_digest
from tests.cli.conftest import one_line
from tests.conftest import LACKS

ROOT = Path(__file__).parents[2]
N = 40
HDF5_OPTIONS = ("-m", "images=pix/stamps", "-m", "bands=zirgu", "-m", "unit=nanomaggy")
HDF5_COLUMNS = ("-m", "object_id=cat/id", "-m", "ebv=cat/ebv")
ARRAYS = ("-m", "images=stamps", "-m", "unit=nanomaggy")
LAYOUTS = {
    "sdss32.h5": (),
    "nersc.h5": (),
    "hdf5.h5": (*HDF5_OPTIONS, *HDF5_COLUMNS),
    "pasquet.npz": (),
    "galaxies.h5": (),
    "cube.fits": ("-m", "object_id=id", "-m", "ebv=ebv"),
    "cutouts": ("-m", "object_id=ID", "--ebv", "EBV"),
    "mine.npz": (*ARRAYS, "-m", "object_id=id", "-m", "ebv=ebv"),
    "arrays": (*ARRAYS, "-m", "object_id=id", "-m", "ebv=ebv"),
    "arrays/stamps.npy": (*ARRAYS, "-m", "object_id=id", "--ebv", "ebv"),
}


@pytest.fixture(scope="module")
def pool(images_folder):
    return load_pool(images_folder / "models/full")


@pytest.fixture
def run(images_folder, pool, on_images, monkeypatch):
    """Return what runs ``pix2z predict`` there: exit code, stdout, stderr.

    The networks are loaded once for all these runs; those of `checkout` load them as users do.
    """

    def loaded(folder):
        assert Path(folder).samefile(images_folder / "models/full")
        return pool

    monkeypatch.setattr("pix2z.catalogue.estimator.load_pool", loaded)
    return partial(on_images, "predict", out="z.parquet")


def expected(images_folder, pool, ebv=None):
    """What the pool says of the galaxies, asked directly."""
    with h5py.File(images_folder / "galaxies.h5") as file:
        images, own = file["images"][...], file["ebv"][...]
        object_id = file["object_id"][...]
    return object_id, pool.estimate(images, own if ebv is None else np.full(N, ebv, np.float32))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_same_galaxies_get_the_same_redshifts_in_every_layout(
    run, images_folder, pool, tmp_path, name
):
    code, said, errors = run(name, *LAYOUTS[name])
    assert code == 0, errors
    object_id, direct = expected(images_folder, pool)
    assert len(np.unique(direct.z_mean)) == N  # else they would agree whatever was read
    table = pq.read_table(tmp_path / "z.parquet").to_pandas()
    with h5py.File(images_folder / "galaxies.h5") as file:
        own = {key: file[key][...] for key in ("ra", "dec")} if name == "galaxies.h5" else {}
    pd.testing.assert_frame_equal(table, direct.to_pandas(object_id, **own), rtol=1e-5)
    np.testing.assert_array_equal(table["pix2z_flags"] & LACKS, np.where(np.arange(N) == 3, 2, 0))
    assert said.startswith("40 galaxies in ")
    typical = np.median((direct.err68_high - direct.err68_low) / 2)
    assert f"\n40 redshifts with a typical error of {typical:.2g} (half of the central" in said
    n_flagged = np.count_nonzero(table["pix2z_flags"])
    assert f"doubtful: {n_flagged} flagged (pixels are masked or impossible: 1" in said
    known = "Against 40 redshifts in the file, which may include training galaxies:\nMAE 0."
    assert (known in said) == (name in ("sdss32.h5", "galaxies.h5"))


def test_units_and_bands_said_or_given_change_no_redshift(run, images_folder, pool, tmp_path):
    raw = tmp_path / "raw.h5"
    shutil.copy(images_folder / "sdss32.h5", raw)
    with h5py.File(raw, "a") as file:
        file["images"][...] = file["images"][...][:, ::-1] * 14.524
        file["images"].attrs.update(scale_factor=0.25, bands="zirgu")
    code, _, errors = run(raw, "-m", "unit=uJy")
    assert code == 0, errors
    table = pq.read_table(tmp_path / "z.parquet").to_pandas()
    object_id, direct = expected(images_folder, pool)
    pd.testing.assert_frame_equal(table, direct.to_pandas(object_id), rtol=1e-3)


def test_pdf_and_figure_lie_beside_and_metadata_names_model_and_input(
    run, tmp_path, images_folder, pool
):
    pdf, plot = tmp_path / "pdf" / "z.hdf5", tmp_path / "z.png"
    code, said, errors = run("sdss32.h5", "--pdf", pdf, "--plot", plot)
    assert code == 0, errors
    assert said.splitlines()[0].endswith(f"redshifts in {tmp_path / 'z.parquet'}, PDFs in {pdf}")
    among = "the estimates against known redshifts"
    assert said.endswith(f"{plot} shows n(z), {among}, and PDFs of 6 galaxies.\n")
    assert plot.is_file()
    ensemble, (object_id, direct) = qp.read(str(pdf)), expected(images_folder, pool)
    np.testing.assert_array_equal(ensemble.ancil["object_id"], object_id)
    np.testing.assert_allclose(ensemble.objdata["pdfs"], direct.density, rtol=1e-3, atol=1e-4)
    metadata = pq.read_schema(tmp_path / "z.parquet").metadata
    assert metadata[b"pix2z.model_digest"].decode() == pool.digest
    assert metadata[b"pix2z.arm"] == b"full"
    assert metadata[b"pix2z.grid"] == b'{"z_min": 0.0, "z_max": 0.4, "n_bins": 60}'
    assert metadata[b"pix2z.input"] == b"sdss32.h5"
    assert b"8: every band is blank" in metadata[b"pix2z.flags"]
    digest = file_digest(images_folder / "sdss32.h5")
    assert digest in metadata[b"pix2z.input_sha256"].decode()


def test_columns_are_chosen_and_positions_come_in_degrees_as_ingest_reads_them(
    run, images_folder, tmp_path
):
    raw, ra, dec = tmp_path / "raw.h5", np.linspace(0, 6, N), np.linspace(-1, 1, N)
    shutil.copy(images_folder / "sdss32.h5", raw)
    with h5py.File(raw, "a") as file:
        file["ra"], file["dec"] = ra, dec
        for key in ("ra", "dec"):
            file[key].attrs["units"] = "rad"
    code, said, errors = run(raw, "--columns", "dec,object_id,ra", out="z.csv")
    assert code == 0, errors
    assert said.splitlines()[1:] == ["40 redshifts."]
    table = pd.read_csv(tmp_path / "z.csv")
    assert list(table) == ["dec", "object_id", "ra"]
    np.testing.assert_allclose(table["ra"], np.degrees(ra))
    np.testing.assert_allclose(table["dec"], np.degrees(dec))
    one_line(run(raw, "--columns", "dec,z", out="other.csv"), "--columns: expected some of object")
    assert not (tmp_path / "other.csv").exists()


def test_positions_off_the_sky_are_nan_and_hours_are_named(run, images_folder, tmp_path):
    raw, ra = tmp_path / "raw.h5", np.linspace(0, 23.9, N)
    ra[0] = np.inf
    shutil.copy(images_folder / "sdss32.h5", raw)
    with h5py.File(raw, "a") as file:
        file["ra"], file["dec"] = ra, np.linspace(70, -10, N)
    code, said, _ = run(raw, out="z.csv")
    assert code == 0
    assert said.startswith(f"{raw}: positions (ra, dec): right ascension from 0.613 to 23.9, ")
    table = pd.read_csv(tmp_path / "z.csv")
    np.testing.assert_array_equal(table[["ra", "dec"]].isna().any(axis=1), np.arange(N) == 0)


def test_the_figure_shows_what_the_table_may_lack(run, tmp_path):
    plot, pdf = tmp_path / "z.png", tmp_path / "pdf.parquet"
    code, said, errors = run("sdss32.h5", "--columns", "ra", "--plot", plot, "--pdf", pdf)
    assert code == 0, errors
    assert "40 redshifts with a typical error" in said
    assert plot.is_file()
    assert len(read_quantiles(pdf)) == N


def test_large_inputs_have_no_digest(run, tmp_path, monkeypatch):
    monkeypatch.setattr("pix2z.catalogue.estimates.MOST_DIGESTED_BYTES", 1000)
    run("sdss32.h5")
    assert b"pix2z.input_sha256" not in pq.read_schema(tmp_path / "z.parquet").metadata


@pytest.mark.parametrize("given", ["0.25", "dust", None])
def test_ebv_is_one_value_or_another_column(run, tmp_path, images_folder, pool, given):
    with (
        h5py.File(tmp_path / "dust.h5", "w") as file,
        h5py.File(images_folder / "sdss32.h5") as raw,
    ):
        file["images"] = raw["images"][...]
        file["dust"] = np.full(N, 0.25, np.float32)
    code, _, errors = run(tmp_path / "dust.h5", *(("--ebv", given) if given else ()))
    assert code == 0, errors
    table = pq.read_table(tmp_path / "z.parquet").to_pandas()
    _, direct = expected(images_folder, pool, ebv=0.25 if given else np.nan)
    np.testing.assert_allclose(table["pix2z_z_mean"], direct.z_mean, rtol=1e-5)
    assert (table["pix2z_flags"] & 4 == (0 if given else 4)).all()


def test_an_empty_ebv_is_refused(run):
    one_line(run("sdss32.h5", "--ebv", ""), "--ebv: expected E(B-V) of 0 to 3 mag, or a key")


def test_what_was_never_measured_has_the_answer_of_the_pool(run, images_folder, pool, tmp_path):
    """Bands of zeros, and E(B-V) that cannot be: one galaxy has one answer, whoever is asked."""
    with h5py.File(images_folder / "sdss32.h5") as file:
        images, ebv = file["images"][...], file["e_bv"][...]
    images[0, 0], images[1], images[2, 3, 4, 4], ebv[4:8] = 0, 0, 1e30, (99, -99, 3.5, np.inf)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["images"], file["e_bv"] = images, ebv
    code, said, errors = run(tmp_path / "raw.h5")
    assert code == 0, errors
    assert "E(B-V) is unknown: 4" in said
    table = pq.read_table(tmp_path / "z.parquet").to_pandas()
    direct = pool.estimate(images.transpose(0, 2, 3, 1), ebv)
    np.testing.assert_array_equal(table["pix2z_flags"], direct.flags)
    np.testing.assert_allclose(table["pix2z_z_median"], direct.z_median, rtol=1e-6)
    assert (table["pix2z_flags"] & LACKS)[:9].tolist() == [1, 9, 2, 2, 4, 4, 4, 4, 0]
    assert np.isnan(table["pix2z_z_median"]).tolist() == [row == 1 for row in range(N)]


@pytest.mark.parametrize("option", ["--out", "--pdf"])
def test_the_input_is_never_replaced_whatever_it_is_called(run, images_folder, tmp_path, option):
    suffix = {"--out": "csv", "--pdf": "hdf5"}[option]
    raw = tmp_path / f"raw.{suffix}"  # HDF5 under a name that the option takes
    shutil.copy(images_folder / "sdss32.h5", raw)
    before = raw.read_bytes()
    (tmp_path / f"symbolic.{suffix}").symlink_to(raw)
    (tmp_path / f"hard.{suffix}").hardlink_to(raw)
    for name in ("raw", "symbolic", "hard"):
        out = tmp_path / f"{name}.{suffix}"
        one_line(run(raw, option, out), f"error: {out}: is the input itself; expected another name")
    assert raw.read_bytes() == before


def test_a_figure_that_cannot_be_written_leaves_a_whole_table(run, images_folder, tmp_path):
    plot = images_folder / "sdss32.h5/z.png"  # below a file
    code, said, errors = run("sdss32.h5", "--plot", plot)
    assert code == 2
    assert said.startswith("40 galaxies in ")
    assert errors.startswith(f"error: {plot}: cannot be written (")
    assert len(pq.read_table(tmp_path / "z.parquet")) == N


@pytest.fixture
def checkout(images_folder, tmp_path, monkeypatch):
    """A checkout with the trained networks, nobody standing in it."""
    monkeypatch.setenv("DVC_ROOT", "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "checkout"
    shutil.copytree(images_folder / "models", root / "models")
    shutil.copy(ROOT / "params.yaml", root)
    (root / "dvc.yaml").touch()
    (tmp_path / "mine").mkdir()
    shutil.copy(images_folder / "sdss32.h5", tmp_path / "mine")
    return root


def test_without_model_full_of_the_named_checkout_is_taken_and_said(
    checkout, pix2z_in, tmp_path, images_folder, pool
):
    here, wanted = tmp_path / "mine", ("predict", "sdss32.h5", "--out", "z.csv")
    code, said, errors = pix2z_in(here, *wanted, "--repo", checkout)
    assert code == 0, errors
    assert said.splitlines()[0] == ("No --model given, and there is no champion: full is taken.")
    _, direct = expected(images_folder, pool)
    table = pd.read_csv(here / "z.csv")
    np.testing.assert_allclose(table["pix2z_z_mean"], direct.z_mean, rtol=1e-5)


def test_entries_of_a_params_yaml_hold_wherever_one_stands(
    checkout, pix2z_in, tmp_path, images_folder, pool
):
    here, below, params = tmp_path / "mine", checkout / "below", checkout / "params.yaml"
    below.mkdir()
    raw = here / "sdss32.h5"
    with h5py.File(raw, "a") as file:
        file["images"][...] *= 3.631
    content = yaml.safe_load(params.read_text())
    content["ingest"]["hdf5"]["unit"] = "uJy"
    params.write_text(yaml.safe_dump(content))
    repo = ("--repo", checkout)
    code, _, errors = pix2z_in(here, "predict", raw, "--out", "z.csv", *repo)
    assert code == 0, errors
    z = pd.read_csv(here / "z.csv")["pix2z_z_mean"]
    np.testing.assert_allclose(z, expected(images_folder, pool)[1].z_mean, rtol=1e-3)
    ways = [(here, ()), (here, repo), (below, ()), (here, ("--params", params))]
    said = [pix2z_in(folder, "inspect", raw, *options)[1] for folder, options in ways]
    assert ["uJy" in text for text in said] == [False, True, True, True]


def test_outside_of_a_checkout_the_error_names_the_ways_to_say_which(checkout, pix2z_in, tmp_path):
    given = ("predict", "sdss32.h5", "--out", "z.csv", "--model", "full")
    unknown = "model 'full': not found; expected a folder with pool.json"
    one_line(pix2z_in(tmp_path / "mine", *given), unknown, "--repo or PIX2Z_HOME names one")
    one_line(pix2z_in(tmp_path / "mine", "models"), "--repo or PIX2Z_HOME")


@pytest.mark.parametrize("named", [(), ("--model", "student")])
def test_outside_of_a_checkout_the_student_of_the_package_is_taken(
    checkout, pix2z_in, tmp_path, named
):
    here = tmp_path / "mine"
    code, said, errors = pix2z_in(here, "predict", "sdss32.h5", "--out", "z.csv", *named)
    assert code == 0, errors
    first = said.splitlines()[0]
    assert first.endswith(
        " It learned from images drawn of real SDSS galaxies, not from real images."
    )
    assert pd.read_csv(here / "z.csv")["pix2z_z_median"].between(0, 0.4).all()


@pytest.mark.parametrize(
    "command",
    ["predict gone --out z.csv", "spectrum gone --out z.h5", "catalogue gone --out z.csv"],
)
def test_nothing_is_said_of_models_where_the_input_is_missing(
    checkout, pix2z_in, tmp_path, command
):
    one_line(pix2z_in(tmp_path / "mine", *command.split()), "gone: cannot be opened: no such file")


def test_two_commands_with_one_output_never_meet(run, tmp_path, monkeypatch):
    """Once, one reported success over the table of the other."""
    codes = []

    @contextmanager
    def with_another_in_the_middle(_):
        def advance(_):
            if not codes:
                codes.append("of the other")
                codes[0] = run("nersc.h5")[0]

        yield advance

    module = sys.modules["pix2z.cli.predict"]
    monkeypatch.setattr(module, "galaxies_progress", with_another_in_the_middle)
    codes.append(run("sdss32.h5")[0])
    assert codes == [0, 0]
    assert pq.read_schema(tmp_path / "z.parquet").metadata[b"pix2z.input"] == b"sdss32.h5"
    assert [path.name for path in tmp_path.iterdir()] == ["z.parquet"]


RUN = """
import sys
from pix2z import cli
from pix2z.catalogue import estimates

def wait(survey, **_):
    print("in the middle", flush=True)
    sys.stdin.read()

estimates.stamps_in_batches = wait
cli.main()
"""


def test_a_batch_system_may_end_it(images_folder, tmp_path):
    """SIGTERM ends it as an error does: nothing is left, not even a temporary file.

    TensorFlow has started by then, and has kept quiet.
    """
    out, pdf = tmp_path / "z.parquet", tmp_path / "z.hdf5"
    out.write_bytes(b"earlier")
    arguments = ["predict", "sdss32.h5", "--model", "full", "--out", str(out), "--pdf", str(pdf)]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=images_folder,
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


def test_lines_of_a_terminal_end_between_words(images_folder, tmp_path, pix2z_in, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")  # which has 80 columns
    shutil.copytree(images_folder / "models", tmp_path / "models")
    predict = ("predict", images_folder / "sdss32.h5", "--out", "redshifts.parquet")
    export = ("export", "full/seed-1", "--out", "full.onnx")
    for arguments in ((*predict, "--pdf", "redshift-pdfs.hdf5"), export):
        code, out, _ = pix2z_in(tmp_path, *arguments, terminal=True)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
