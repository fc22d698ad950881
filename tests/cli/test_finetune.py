"""``pix2z finetune`` from a user's file to the registry, on a tiny pool."""

import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from pix2z.config.split import SplitConfig
from pix2z.partition import PARTS, partition
from tests.catalogue.conftest import largest_file
from tests.cli.conftest import one_line, run_pix2z
from tests.field.planted import plant, write_field
from tests.injection.conftest import galaxies_of, write_drawn

ROOT = Path(__file__).parents[2]
N = 800

OVERLAY = {
    "finetune": {
        "learning_rate": 0.002,
        "epochs": 2,
        "fewest_rows": {"train": 200, "validation": 30, "calibration": 30, "test": 60},
    },
    "evaluate": {"n_bootstrap": 100},
    "arms": {"full": {"seeds": [1, 2]}},
}

PREDICTIONS = {
    "calibration.hdf5",
    "pool.hdf5",
    "predictions.json",
    "seed-1.hdf5",
    "seed-2.hdf5",
    "validation.hdf5",
}

OFFSETS = np.array([1.15, 0.95, 1.0, 1.05, 0.95], np.float32)


@pytest.fixture(scope="module")
def project(trained_pool, empty_database, tmp_path_factory) -> Path:
    """A folder with parameters, an empty store, and an arm `full` of two networks."""
    from pix2z.cli.workspace import merge
    from pix2z.config.section import read_params

    root = tmp_path_factory.mktemp("project")
    params = merge(read_params(ROOT / "params.yaml"), OVERLAY, path="the test")
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "dvc.yaml").touch()
    shutil.copy(empty_database, root / "mlflow.db")
    shutil.copytree(trained_pool, root / "models/full")
    return root


def write_file(
    path: Path, sample_path: Path, *, n: int = N, leave_out: str = "", **columns: np.ndarray
) -> Path:
    """Galaxies in the layout sdss32, each in a cell of its own, under another calibration."""
    with h5py.File(sample_path) as sample, h5py.File(path, "w") as stored:
        content = {
            "images": (sample["images"][:n] * OFFSETS).transpose(0, 3, 1, 2),
            "specz_redshift": sample["specz_redshift"][:n],
            "e_bv": sample["ebv"][:n],
            "ra": (2.0 + 1.2 * np.arange(n)) % 360,
            "dec": 5.5 + 2.0 * (np.arange(n) // 300),
            **columns,
        }
        for key, values in content.items():
            if key != leave_out:
                stored[key] = values
    return path


@pytest.fixture(scope="module")
def file(sample_path, tmp_path_factory) -> Path:
    return write_file(tmp_path_factory.mktemp("mine") / "mine.h5", sample_path)


@contextmanager
def inside(folder: Path):
    """Work in a folder, with the store that is in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
            patch.delenv(name, raising=False)
        patch.chdir(folder)
        yield


def run(*arguments: object) -> tuple[int, str, str]:
    """Run the command in the working folder; exit code, stdout, stderr."""
    return run_pix2z(Path.cwd(), "finetune", *arguments)


@pytest.fixture(scope="module")
def finished(project, file, tmp_path_factory) -> tuple[Path, str, str]:
    """The project after one fine-tuning, and what that printed."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(project, folder)
    with inside(folder):
        code, out, err = run(file, "--name", "mine")
    assert code == 0, err
    return folder, out, err


@pytest.fixture
def root(project, tmp_path):
    """A copy of the project, as the working folder."""
    shutil.copytree(project, tmp_path / "project")
    with inside(tmp_path / "project"):
        yield tmp_path / "project"


@pytest.fixture
def tuned(finished):
    """The finished project, as the working folder; nothing in it may change."""
    before = contents(finished[0] / "finetuned")
    with inside(finished[0]):
        yield finished[0]
    assert contents(finished[0] / "finetuned") == before


def client_of(folder: Path):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def runs(client):
    experiment = client.get_experiment_by_name("pix2z-train")
    found = client.search_runs([experiment.experiment_id])
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_from_a_file_to_the_registry(finished):
    root, out, err = finished
    client, folder = client_of(root), root / "finetuned/mine"
    member = {"estimator.json", "history.json", "weights.weights.h5"}
    assert set(contents(folder)) == {
        "galaxies.h5",
        "split.h5",
        "pool.json",
        "pool.onnx",
        "report.json",
        *(f"seed-{seed}/{name}" for seed in (1, 2) for name in member),
        *(f"{of}/{name}" for of in ("predictions", "base_predictions") for name in PREDICTIONS),
    }
    report = read(folder / "report.json")
    before, after = (report["metrics"][v]["crps"]["value"] for v in ("base", "tuned"))
    assert after < before
    assert report["verdict"] in " ".join(out.split())
    assert f"{report['n']['test']} test galaxies" in out
    assert "seed 2: 1 of 2 epochs at most, loss " in err
    assert "models:/pix2z-mine/1" in out

    found = runs(client)
    names = ["finetune mine, pool", "finetune mine, seed 1", "finetune mine, seed 2"]
    assert sorted(found) == names
    assert found["finetune mine, pool"].data.metrics["test/crps"] == after
    training = found["finetune mine, seed 2"]
    assert training.data.tags["live"] == "adopted"
    curve = client.get_metric_history(training.info.run_id, "curves/val_loss")
    history = read(folder / "seed-2/history.json")
    assert [(m.step, m.value) for m in curve] == list(enumerate(history["val_loss"]))
    (version,) = client.search_model_versions("name = 'pix2z-mine'")
    assert report["verdict"] in version.description


def test_the_saved_model_is_that_of_the_report(tuned):
    from pix2z.dataset.splits import read_split
    from pix2z.dataset.store import open_galaxies
    from pix2z.network.estimator import load_pool
    from pix2z.tracking.model_names import resolve_pool

    folder = tuned / "finetuned/mine"
    report, split = read(folder / "report.json"), read_split(folder / "split.h5")
    pool = load_pool(resolve_pool("models:/pix2z-mine/1"))
    assert pool.digest == report["pool_digest"]
    assert pool.members[0].record["base_pool_digest"] == report["base"]["pool_digest"]
    with open_galaxies(folder / "galaxies.h5") as galaxies:
        images, ebv = galaxies.images(split.test), galaxies.column("ebv", split.test)
        z_spec = galaxies.column("specz_redshift", split.test)
    mae = np.abs(pool.estimate(images, ebv).z_phot - z_spec).mean()
    assert mae == pytest.approx(report["metrics"]["tuned"]["mae"]["value"], rel=1e-5)


@pytest.mark.parametrize("of", ["pool", "base"])
def test_pool_and_base_are_predicted_for_the_same_galaxies_and_tied_to_digests(tuned, of):
    from pix2z.dataset.splits import read_split
    from pix2z.redshift_pdf.predictions import part_file
    from tests.prediction_files import read_predictions

    folder = tuned / "finetuned/mine"
    report, split = read(folder / "report.json"), read_split(folder / "split.h5")
    digests = {
        "pool_digest": report["pool_digest"] if of == "pool" else report["base"]["pool_digest"],
        "test_digest": report["data"]["test_digest"],
    }
    predictions = folder / ("predictions" if of == "pool" else "base_predictions")
    for part in ("validation", "calibration", "test"):
        path = part_file(predictions, part, **digests)
        np.testing.assert_array_equal(read_predictions(path).row, getattr(split, part))


def test_the_same_again_makes_nothing_new(tuned, file):
    client = client_of(tuned)
    files, ids = contents(tuned / "finetuned"), {n: r.info.run_id for n, r in runs(client).items()}
    code, _, err = run(file, "--name", "mine")
    assert code == 0
    assert "epoch" not in err
    assert contents(tuned / "finetuned") == files
    assert {name: one.info.run_id for name, one in runs(client).items()} == ids
    assert len(client.search_model_versions("name = 'pix2z-mine'")) == 1


def test_a_killed_run_goes_on_to_the_same_files_even_where_the_store_is_out_of_reach(
    root, finished, file, tmp_path, monkeypatch
):
    from pix2z.network import checkpoint

    save = checkpoint.save_state

    class Killed(BaseException):
        pass

    def save_and_die(path, state):
        save(path, state)
        if path.name == "seed-2.h5":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_state", save_and_die)
        with pytest.raises(Killed):
            run(file, "--name", "mine")
    assert not (root / "finetuned/mine/pool.json").exists()
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")
    code, out, err = run(file, "--name", "mine")
    assert code == 1
    (epoch,) = [line for line in err.splitlines() if "epochs at most" in line]
    assert "seed 2: 2 of 2 epochs at most" in epoch
    assert "change (95 % interval)" in out
    assert max(len(line) for line in out.splitlines() if "  " in line) <= 80
    assert err.splitlines()[-1].startswith(
        "error: finetuned/mine is whole, but not registered: MLflow's store cannot be written ("
    )
    assert err.endswith(f"; repeat: pix2z finetune {file} --name mine\n")
    resumed, whole = (contents(at / "finetuned/mine") for at in (root, finished[0]))
    assert resumed.keys() == whole.keys()
    for name in (n for n in whole if "history" not in n):  # histories hold the seconds it took
        assert resumed[name] == whole[name], name


@pytest.mark.parametrize(
    ("name", "model", "message"),
    [
        (
            "other",
            "mine",
            "validation 0 of at least 30, .*; received 800, of which [0-9]+ may have trained",
        ),
        ("mine", "finetuned/mine", "is finetuned/mine itself; expected another --name"),
    ],
)
def test_a_tuned_model_is_tested_on_nothing_that_tuned_it_nor_tuned_into_itself(
    tuned, file, name, model, message
):
    code, _, err = run(file, "--name", name, "--model", model)
    assert code == 2
    assert re.search(message, err)
    assert not (tuned / "finetuned/other").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "My field"], "--name: expected letters a to z"),
        (["--name", "../mine"], "--name: expected letters a to z"),
        (["--name", "spectrum"], "--name: pix2z-spectrum is the model of the spectrum networks"),
        (["--name", "full"], "--name: 'full' is an arm of params.yaml; expected another name"),
        (
            ["--name", "mine", "--model", "student"],
            "pix2z brings no weights of it that could go on",
        ),
        (["--name", "mine", "--model", "nothing"], "model 'nothing': not found; expected one of"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(root, file, arguments, message):
    one_line(run(file, *arguments), message)
    assert not (root / "finetuned/mine").exists()


def test_outside_of_a_checkout_one_line_says_how_to_name_one(file, tmp_path, monkeypatch):
    monkeypatch.delenv("PIX2Z_HOME", raising=False)
    with inside(tmp_path):
        answer = run(file, "--name", "mine", "--model", "student")
    one_line(answer, f"error: {tmp_path}: neither here nor above", "--repo or PIX2Z_HOME\n")


@pytest.mark.parametrize(
    ("content", "entry", "message"),
    [
        ({"n": 60}, (), "too few galaxies to fine-tune: train "),
        (
            {"ObjID": np.zeros(N, int)},
            (),
            f"received 1; left out: {N - 1:,} (duplicate: object id seen before)\n",
        ),
        ({"leave_out": "specz_redshift"}, (), "redshift"),
        ({"n": 60}, ("-m", "redshift=z"), "key 'z' is missing"),
    ],
)
def test_a_file_that_cannot_tune_is_one_line_and_leaves_nothing(
    root, sample_path, tmp_path, content, entry, message
):
    few = write_file(tmp_path / "few.h5", sample_path, **content)
    answer = run(few, "--name", "mine", *entry)
    one_line(answer, f"error: {tmp_path}/few.h5: ", message)
    assert not (root / "finetuned/mine").exists()


def test_a_folder_or_a_disk_that_takes_no_model_is_one_line(root, file):
    (root / "finetuned").write_text("no folder")
    code, _, err = run(file, "--name", "mine")
    assert code == 2
    assert re.fullmatch(r"error: finetuned/mine.*: .+\n", err)
    (root / "finetuned").unlink()
    with largest_file(20_000):
        code, _, err = run(file, "--name", "mine")
    assert code == 2
    assert re.fullmatch(r"error: finetuned/mine/galaxies.h5: cannot be written \(.+\)\n", err)
    assert [path.name for path in (root / "finetuned").rglob("*") if path.is_file()] == []


def test_a_refused_file_leaves_the_former_model_whole(tuned, sample_path, tmp_path):
    assert run(write_file(tmp_path / "few.h5", sample_path, n=60), "--name", "mine")[0] == 2


@pytest.fixture(scope="module")
def in_the_sky(project, tmp_path_factory) -> tuple[Path, str]:
    """The project after a fine-tuning on galaxies rendered into a planted field, and its words."""
    folder = tmp_path_factory.mktemp("sky") / "project"
    shutil.copytree(project, folder)
    (folder / "data/raw").mkdir(parents=True)
    write_drawn(folder / "data/raw/semireal.h5", galaxies_of(480))
    frames = write_field(folder, plant())
    with inside(folder):
        code, out, err = run("--sky", *(path.name for path in frames), "--name", "mine")
    assert code == 0, err
    return folder, out


@pytest.mark.long
def test_frames_without_spectra_tune_a_model_on_rendered_galaxies(in_the_sky):
    root, out = in_the_sky
    report = json.loads((root / "finetuned/mine/report.json").read_text())
    words = " ".join(out.split())
    assert "sky.h5: 480 rendered galaxies in the sky of 1 field(s)" in words
    sample = "of the renderer, put into the 5 frames that the training ones are in, too"
    assert f"test galaxies {sample}, CRPS" in words
    assert sorted(report["data"]["frames"])[0] == "g.fits.bz2"
    assert "rendered in real sky" in report["data"]["source"]
    assert "The galaxies are rendered" in report["seen_before"]["words"]
    with h5py.File(root / "finetuned/mine/sky.h5") as sky:
        parent = sky["truth/parent"][...]
    split = SplitConfig.read(root / "params.yaml")
    part = partition(parent, seed=split.seed, fractions=split.fractions.model_dump())
    assert report["n"]["test"] == (part == PARTS.index("test")).sum()


@pytest.mark.long
def test_the_card_of_a_model_tuned_on_frames_repeats_its_command(in_the_sky):
    from pix2z.tracking.pools import read_finetuned

    command = read_finetuned(in_the_sky[0] / "finetuned/mine").command
    frames = "z.fits g.fits.bz2 r.fits i.fits u.fits"
    assert command == f"pix2z finetune --sky {frames} --name mine --model full"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one.h5", "two.h5"], "expected one FILE; received 2: put them into a folder, or, where"),
        (["--sky", "r.fits", "--layout", "sdss32"], "--layout: is of a file with stamps; with"),
        (["--sky", "r.fits", "-m", "ebv=EBV"], "--map: is of a file with stamps; with --sky"),
        (["--sky", "mine.h5"], "mine.h5: not a FITS frame"),
    ],
)
def test_what_is_no_file_and_no_field_is_one_line(root, file, arguments, message):
    shutil.copy(file, root / "mine.h5")
    one_line(run(*arguments, "--name", "mine"), message)
    assert not (root / "finetuned/mine").exists()


def test_frames_without_the_galaxies_of_the_renderer_are_one_line(root):
    frames = write_field(root, plant())
    answer = run("--sky", *(path.name for path in frames), "--name", "mine")
    one_line(answer, "data/raw/semireal.h5: missing; expected the galaxies that the renderer drew")
    assert not (root / "finetuned/mine").exists()
