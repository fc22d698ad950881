"""A version is really trained again; small networks on artificial galaxies."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from pix2z.tracking.promotion.versions import find_version, read_versions
from typer.testing import CliRunner

from pix2z.cli import app
from pix2z.config.arms import Arm, read_arms
from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.training import ArmTraining
from pix2z.dataset.splits import write_split
from pix2z.errors import InputError, IntegrityError
from pix2z.files import file_digest, read_json, write_json
from pix2z.network.saved_json import seal
from pix2z.network.training_inputs import train_from_files, training_inputs
from pix2z.tracking.existing import with_experiments
from pix2z.tracking.registration import register
from pix2z.tracking.retraining import Place, retrain
from pix2z.tracking.store import Store
from pix2z.tracking.version_lineage import version_lineage

PARAMS = Path(__file__).parents[2] / "params.yaml"
ARM = Arm(selection="full", architecture="hybrid", seeds=(2, 5))


@pytest.fixture(scope="module")
def folder(sample_path, sample_split, empty_database, tmp_path_factory) -> Path:
    """An arm of two networks, trained as its stage does, and registered."""
    folder = tmp_path_factory.mktemp("retraining")
    params = yaml.safe_load(PARAMS.read_text())
    params["arms"] = {"full": ARM.model_dump(mode="json")}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "dvc.yaml").touch()
    galaxies, rows = folder / "data/galaxies.h5", folder / "data/splits/full.h5"
    rows.parent.mkdir(parents=True)
    shutil.copy(sample_path, galaxies)
    write_split(rows, sample_split, seed=1, n_galaxies=800)
    small = {"trunk_filters": (4,), "dense_units": (8,), "epochs": 2, "dropout": 0.2}
    settings = HybridConfig.read(PARAMS).model_copy(update=small)
    pdf = PdfConfig(z_min=0.0, z_max=0.4, n_bins=20)
    inputs = training_inputs(ArmTraining("full", ARM, settings, pdf), galaxies=galaxies, rows=rows)
    train_from_files(
        inputs,
        galaxies=galaxies,
        rows=rows,
        models=folder / "models/full",
        checkpoints=folder / ".checkpoints",
        curve=lambda seed: lambda epoch, losses: None,
    )
    shutil.copy(empty_database, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setenv("DVC_ROOT", str(folder))
        register(folder, read_arms(folder / "params.yaml"))
    return folder


def again(folder: Path, spec: str, epochs: list[int] | None = None):
    """Train the version again; `epochs` collects those that were shown."""
    seen = [] if epochs is None else epochs
    uri = f"sqlite:///{folder}/mlflow.db"
    store = with_experiments(Store(MlflowClient(uri), uri, {}))
    versions = read_versions(store.client)
    version = find_version(versions, spec)
    place = Place(
        store, versions, folder, lambda most: lambda seed: lambda epoch, _: seen.append(epoch)
    )
    return retrain(place, version, version_lineage(store, version))


def left_behind(folder: Path) -> list[Path]:
    return list(folder.glob(".partial-*"))


def test_the_same_inputs_give_the_same_weights(folder):
    epochs: list[int] = []
    done = again(folder, "full", epochs)
    assert done.again == done.recorded
    assert list(done.recorded) == ["seed-2", "seed-5"]
    assert (done.different, done.remarks) == ([], ())
    assert epochs == [0, 1, 0, 1]  # trained, not taken from the checkpoints that are here
    assert left_behind(folder) == []


@pytest.fixture
def copied(folder, tmp_path, monkeypatch):
    """The folder with an empty store, to register something else from."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("mlruns", "mlflow.db*"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(copy))
    return copy


def say_otherwise(root: Path, names: tuple[str, ...], change) -> None:
    """Let networks say something else of themselves, under whole seals; register that."""
    pool = read_json(root / "models/full/pool.json")
    for name in names:
        path = root / "models/full" / name / "estimator.json"
        said = read_json(path)
        change(said)
        said["digest"] = seal(said)
        write_json(path, said)
        pool["members"][name] = said["digest"]
    pool["digest"] = seal(pool)
    write_json(root / "models/full/pool.json", pool)
    register(root, read_arms(root / "params.yaml"))


def test_weights_that_are_not_of_their_inputs_are_told(copied, empty_database):
    """Those of another seed lie in the place of a network's own, under whole seals."""
    shutil.copy(empty_database, copied / "mlflow.db")
    weights = "weights.weights.h5"
    own, other = (copied / "models/full" / name / weights for name in ("seed-5", "seed-2"))
    shutil.copy(other, own)
    say_otherwise(copied, ("seed-5",), lambda said: said.update(weights_sha256=file_digest(own)))
    done = CliRunner().invoke(app, ["reproduce", "full", "--check"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[-1] == "pix2z-full/1: other weights: seed-5"
    assert lines[-3].startswith("seed-2  ")
    assert lines[-3].endswith("  same")
    assert "  DIFFERENT, " in lines[-2]
    assert left_behind(copied) == []


def test_other_code_and_libraries_are_remarked(copied, empty_database):
    def change(said) -> None:
        said["record"]["inputs"] |= {"code_sha256": "0", "tensorflow": "1.0"}

    shutil.copy(empty_database, copied / "mlflow.db")
    say_otherwise(copied, ("seed-2", "seed-5"), change)
    done = again(copied, "full")
    assert done.different == []
    assert len(done.remarks) == 2
    assert "it was 1.0" in done.remarks[1]


@pytest.mark.parametrize("damage", ["missing", "other"])
def test_data_that_are_not_those_of_the_version_are_named(folder, damage):
    path = folder / "data/splits/full.h5"
    before = path.read_bytes()
    path.unlink()
    if damage == "other":
        path.write_bytes(before + b"\0")
    try:
        with pytest.raises(InputError, match=r"full\.h5: .*expected .*pix2z reproduce pix2z-full"):
            again(folder, "full")
    finally:
        path.write_bytes(before)
    assert left_behind(folder) == []


def test_altered_artifacts_are_not_compared_with(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    place = Path(client.get_model_version_download_uri("pix2z-full", "1"))
    path = place / "artifacts/pool/seed-5/estimator.json"
    before = path.read_text()
    said = json.loads(before)
    said["weights_sha256"] = "0" * 64
    path.write_text(json.dumps(said))
    try:
        with pytest.raises(IntegrityError, match=r"pix2z-full/1: its weights are not those"):
            again(folder, "full")
    finally:
        path.write_text(before)


def test_a_version_that_does_not_say_its_inputs(copied, empty_database):
    shutil.copy(empty_database, copied / "mlflow.db")
    path = copied / "models/full/seed-2/estimator.json"
    said = read_json(path)
    del said["record"]["inputs"]
    write_json(path, said)
    register(copied, read_arms(copied / "params.yaml"))
    with pytest.raises(InputError, match="does not say what it was trained from"):
        again(copied, "full")
