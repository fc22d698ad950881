"""From a version to where it comes from, and from data to versions, in one registered folder."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from pix2z.tracking.promotion.versions import find_version, read_versions

from pix2z.errors import InputError
from pix2z.files import text_digest
from pix2z.tracking.digest_lineage import digest_lineage, is_digest
from pix2z.tracking.existing import with_experiments
from pix2z.tracking.pipeline_record import entry_digest, folder_md5
from pix2z.tracking.registration import register
from pix2z.tracking.store import Store
from pix2z.tracking.version_lineage import version_lineage

RAW = {"name": "raw.h5", "source": "made-up galaxies", "sha256": "1a" * 32}
GALAXIES_MD5, GALAXIES_SHA, SPLIT_SHA = "2b" * 16, "3c" * 32, "4d" * 32
POOL = text_digest("pool of full")


def edit_json(path: Path, change) -> None:
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode().strip()


def lock_of(folder: Path) -> dict:
    """Entries that DVC would have written for the arm `full`."""
    pool = folder / "models/full"
    files = [path for path in pool.rglob("*") if path.is_file()]
    md5 = folder_md5({path.relative_to(pool).as_posix(): path.read_bytes() for path in files})
    raw, galaxies, rows = (
        {"path": path, "md5": value}
        for path, value in (
            ("data/raw/raw.h5", "5e" * 16),
            ("data/galaxies.h5", GALAXIES_MD5),
            ("data/splits/full.h5", "6f" * 16),
        )
    )
    train = {
        "cmd": "train",
        "deps": [galaxies, rows],
        "outs": [{"path": "models/full", "md5": md5}],
    }
    return {
        "ingest": {"cmd": "ingest", "deps": [raw], "outs": [galaxies]},
        "split": {"cmd": "split", "deps": [galaxies], "outs": [rows]},
        "train@full": {**train, "params": {"params.yaml": {"arms.full": {"seeds": [1, 2]}}}},
    }


@pytest.fixture(scope="module")
def folder(registered, empty_database, arms, tmp_path_factory) -> Path:
    """A committed repository with a dvc.lock, whose networks say what they were trained on."""
    folder = tmp_path_factory.mktemp("lineage")
    skipped = shutil.ignore_patterns("mlflow.db*", "mlruns")
    shutil.copytree(registered, folder, ignore=skipped, dirs_exist_ok=True)
    shutil.copy(empty_database, folder / "mlflow.db")
    inputs = {"galaxies_sha256": GALAXIES_SHA, "split_sha256": SPLIT_SHA}
    for path in (folder / "models/full").glob("seed-*/estimator.json"):
        edit_json(path, lambda said: said["record"].update(inputs=inputs))
    edit_json(folder / "models/full/pool.json", lambda said: said.update(digest=POOL))
    edit_json(folder / "reports/ingest.json", lambda said: said.update(raw=RAW))
    lock = {"schema": "2.0", "stages": lock_of(folder)}
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock))
    (folder / ".gitignore").write_text("*\n!params.yaml\n")
    (folder / "params.yaml").write_text("a: 1\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setenv("DVC_ROOT", str(folder))
        register(folder, arms)
    return folder


@pytest.fixture(scope="module")
def store(folder) -> Store:
    uri = f"sqlite:///{folder}/mlflow.db"
    opened = with_experiments(Store(MlflowClient(uri), uri, {}))
    opened.client.create_registered_model("pix2z")
    copy = opened.client.copy_model_version("models:/pix2z-full/1", "pix2z")
    opened.client.set_registered_model_alias("pix2z", "champion", copy.version)
    return opened


@pytest.fixture(scope="module")
def arms():
    from pix2z.config.arms import Arm

    return {
        "full": Arm(selection="full", architecture="hybrid", seeds=(1, 2)),
        "published_full": Arm(selection="full", architecture="published_cnn", seeds=(1,)),
    }


def back(store: Store, spec: str):
    return version_lineage(store, find_version(read_versions(store.client), spec))


def test_a_version_leads_to_data_code_stages_runs_and_figures(store, folder):
    found = back(store, "full")
    assert found.version == "pix2z-full/1"
    assert found.pool_digest == POOL
    assert found.data == {
        "data/raw/raw.h5": (f"md5:{'5e' * 16}", f"sha256:{RAW['sha256']}"),
        "data/galaxies.h5": (f"md5:{GALAXIES_MD5}", f"sha256:{GALAXIES_SHA}"),
        "data/splits/full.h5": (f"md5:{'6f' * 16}", f"sha256:{SPLIT_SHA}"),
    }
    assert found.raw == RAW
    assert (found.commit, found.dirty) == (git(folder, "rev-parse", "HEAD"), False)
    assert found.stage == "train@full"
    assert dict(found.stages) == lock_of(folder)
    assert found.lock_digest == entry_digest(lock_of(folder)["train@full"])
    assert found.weights == {"seed-1": b"full1".hex(), "seed-2": b"full2".hex()}
    assert found.test_digest == "test"
    (pool,) = found.runs["pool"]
    assert {"pool.json", "lineage.json", "figures/pit.png"} <= set(pool.artifacts)
    trainings = found.runs["training"]
    assert [run.name for run in trainings] == ["full, seed 1", "full, seed 2"]
    assert trainings[0].curves["curves/val_loss"] == 5
    assert trainings[0].params["settings.learning_rate"] == "0.002"
    (comparison,) = found.runs["comparison"]
    assert "compare.json" in comparison.artifacts
    assert found.runs["study"] == ()  # its best settings are not those of these networks


def test_a_copy_in_production_has_the_lineage_of_its_source(store):
    copy, source = back(store, "models:/pix2z@champion"), back(store, "pix2z-full/1")
    assert (copy.version, copy.aliases) == ("pix2z/1", ("champion",))
    for name in ("data", "weights", "commit", "stages", "runs", "pool_digest"):
        assert getattr(copy, name) == getattr(source, name)


def test_a_lock_that_is_of_other_files_is_not_believed(store):
    """dvc.lock says nothing of this arm; its data are digested as they lie there."""
    found = back(store, "published_full")
    assert (found.stages, found.stage, found.lock_digest) == ({}, None, None)
    assert list(found.data) == ["raw.h5"]
    (pool,) = found.runs["pool"]
    assert "lineage.json" not in pool.artifacts


def forward(store: Store, digest: str):
    return digest_lineage(store, digest, read_versions(store.client))


@pytest.mark.parametrize(
    "digest", [f"md5:{GALAXIES_MD5}", GALAXIES_MD5[:8], f"sha256:{GALAXIES_SHA[:20]}", GALAXIES_SHA]
)
def test_data_lead_to_all_that_was_made_of_them_by_either_digest(store, digest):
    found = forward(store, digest)
    (match,) = found.matches
    assert match.what == "data/galaxies.h5"
    assert match.digests == (f"md5:{GALAXIES_MD5}", f"sha256:{GALAXIES_SHA}")
    assert set(found.versions) >= {"pix2z-full/1", "pix2z/1"}
    assert {run.name for run in found.runs} >= {"full, pool", "full, seed 1", "full, seed 2"}


def test_raw_data_weights_and_pools_lead_to_versions(store):
    for digest in (RAW["sha256"], POOL[:8], b"full2".hex(), f"md5:{'6f' * 16}"):
        assert {"pix2z-full/1", "pix2z/1"} <= set(forward(store, digest).versions), digest
    one = forward(store, b"full2".hex())
    assert {run.name for run in one.runs} == {"full, seed 2", "full, pool"}
    assert one.versions == ("pix2z/1", "pix2z-full/1")


def test_the_kind_of_a_digest_matters(store):
    with pytest.raises(InputError, match="nothing is recorded with it; galaxies known are"):
        forward(store, f"sha256:{GALAXIES_MD5}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("md5:2b2b2b2b", True),
        ("sha256:3c", True),
        ("2b2b2b2b.dir", True),
        ("deadbeef", True),
        ("2b2b2b2", False),
        ("full", False),
        ("pix2z-full/2", False),
        ("models:/pix2z@champion", False),
    ],
)
def test_what_looks_like_a_digest(text, expected):
    assert is_digest(text) == expected


@pytest.mark.parametrize("digest", ["md5:2b2b", "sha256:x", "ffffffff", "%%%%%%%%"])
def test_what_is_no_digest_or_unknown_is_said(store, digest):
    with pytest.raises(InputError, match="at least 8 hexadecimal digits|nothing is recorded"):
        forward(store, digest)
