"""Faults of files: altered networks, leftovers, workspaces, and DVC's data."""

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from pix2z.cli.workspace import make_workspace
from pix2z.tracking.doctor.saved_files import MARKER

WEIGHTS = Path("models/full/seed-1/weights.weights.h5")


def dvc(clinic, *words: str) -> None:
    clinic.run(" ".join(("dvc", *words)))


@pytest.fixture
def remote(clinic, tmp_path):
    dvc(clinic, "remote", "add", "-q", "-d", "shared", str(tmp_path / "remote"))
    dvc(clinic, "push", "-q")


def write_through(path: Path, content: bytes) -> None:
    """Write as somebody who may write anything does: into the very file, not a new one."""
    path.chmod(0o644)
    path.write_bytes(content)


def link_to_cache(root: Path) -> None:
    """Link the weights to DVC's cache, as DVC does at a checkout where the file system can."""
    md5 = hashlib.md5((root / WEIGHTS).read_bytes()).hexdigest()
    (root / WEIGHTS).unlink()
    (root / WEIGHTS).hardlink_to(root / ".dvc/cache/files/md5" / md5[:2] / md5[2:])


def test_altered_weights_come_back_from_the_cache(clinic):
    path = clinic.root / WEIGHTS
    path.unlink()
    path.write_bytes(b"altered")
    command = clinic.cure("saved networks are not what was saved")
    assert command == "dvc checkout --force models/full"
    assert path.read_bytes() == b"weights of full"


@pytest.mark.parametrize("has_remote", [False, True])
@pytest.mark.parametrize("checked_out", [False, True])
def test_altered_weights_in_an_altered_cache(clinic, request, has_remote, checked_out):
    """`dvc checkout` alone would bring the altered file, and DVC would call it unchanged."""
    if has_remote:
        request.getfixturevalue("remote")
    link_to_cache(clinic.root)
    path = clinic.root / WEIGHTS
    write_through(path, b"altered")
    if checked_out:
        dvc(clinic, "checkout", "-q", "--force", "models/full")
        assert path.read_bytes() == b"altered"
    command = clinic.cure("saved networks are not what was saved")
    assert command.endswith("dvc pull models/full" if has_remote else "dvc repro -s train@full")
    assert path.read_bytes() == b"weights of full"


def test_altered_json_is_found(clinic):
    path = clinic.root / "models/full/pool.json"
    text = path.read_text().replace("1.05", "1.06")
    path.unlink()
    path.write_text(text)
    assert "saved networks are not what was saved" in clinic.faults()


def test_a_training_outside_dvc_is_no_fault(clinic, tmp_path):
    """Whole networks, but not those of dvc.lock: a person has to choose."""
    history = clinic.root / "models/full/seed-1/history.json"
    text = history.read_text().replace("12.0", "13.0")
    history.unlink()
    history.write_text(text)
    assert clinic.faults() == {}
    assert "an arm is not the one of dvc.lock" in clinic.notes()


@pytest.mark.parametrize("name", ["data/.partial-galaxies.h5", ".partial-reproduce-x1/models/a.h5"])
def test_what_a_killed_process_left(clinic, name):
    path = clinic.root / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"half")
    assert clinic.faults() == {}
    assert "files are being written" in clinic.notes()
    old = time.time() - 3600
    for touched in (path, path.parent):
        os.utime(touched, (old, old))
    for folder in (clinic.root / "data", clinic.root):
        folder.touch()
    if name.startswith(".partial"):
        os.utime(clinic.root / ".partial-reproduce-x1", (old, old))
    clinic.cure("a killed process left half-written files")
    assert not path.exists()


def test_an_interrupted_download_is_no_fault(clinic):
    for name in (".partial-raw.h5", ".partial-raw.h5.version.json"):
        path = clinic.root / "data" / name
        path.write_text("{}")
        os.utime(path, (1e9, 1e9))
    assert clinic.faults() == {}
    assert "a download was interrupted" in clinic.notes()


def test_a_workspace_that_was_killed_while_it_was_made(clinic, healthy, monkeypatch):
    """Its marker is written first: the same command goes on."""
    (healthy / "presets").mkdir()
    (healthy / "presets/small.yaml").write_text("tune: {n_trials: 2}\n")
    (healthy / "src/pix2z").mkdir(parents=True)
    (healthy / ".dvcignore").touch()
    (healthy / "build/small").mkdir(parents=True)
    (healthy / f"build/small/{MARKER}").write_text("small\n")
    faults = clinic.faults()
    command = faults["a workspace is half made"]
    assert command == "pix2z workspace build/small --preset small"
    make_workspace(healthy, healthy / "build/small", preset="small")
    assert clinic.faults() == {}


def test_outputs_that_are_nowhere_are_made_again(clinic):
    shutil.rmtree(clinic.root / ".dvc/cache")
    shutil.rmtree(clinic.root / "data/splits")
    faults = clinic.faults()
    assert faults["outputs are missing"] == "dvc repro split"
    for command in faults.values():
        clinic.run(command)
    assert clinic.faults() == {}


def test_outputs_that_are_nowhere_but_in_the_remote_are_pulled(clinic, remote):
    shutil.rmtree(clinic.root / ".dvc/cache")
    shutil.rmtree(clinic.root / "models")
    shutil.rmtree(clinic.root / "data")
    command = clinic.cure("outputs are missing")
    assert command.startswith("dvc pull ")
    assert "models/full" in command


def test_outputs_that_were_deleted_come_back_from_the_cache(clinic):
    (clinic.root / "data/galaxies.h5").unlink()
    assert clinic.cure("outputs were deleted") == "dvc checkout data/galaxies.h5"


def test_outputs_that_exist_once_are_cached(clinic):
    shutil.rmtree(clinic.root / ".dvc/cache")
    lock = (clinic.root / "dvc.lock").read_text()
    assert clinic.cure("outputs are not in DVC's cache").startswith("dvc commit -f ")
    assert (clinic.root / "dvc.lock").read_text() == lock


def test_altered_data_are_found(clinic):
    path = clinic.root / "data/galaxies.h5"
    path.unlink()
    path.write_text("other galaxies")
    assert clinic.cure("an output was altered") == "dvc checkout --force data/galaxies.h5"


def test_outputs_that_nobody_else_can_have_are_pushed(clinic, remote):
    assert clinic.faults() == {}
    shutil.rmtree(clinic.root.parent / "remote")
    assert clinic.cure("outputs are not pushed") == "dvc push"
    assert "DVC has no remote" not in clinic.notes()


def test_a_dvc_that_cannot_answer_is_said(clinic):
    (clinic.root / ".dvc/config").write_text("nonsense")
    assert clinic.faults()["DVC does not say how its data are"] == "dvc data status"
