import subprocess
import sys

import pytest
import yaml

from pix2z.errors import InputError
from pix2z.tracking.pipeline_record import entry_digest, folder_md5, read_lock, stage_chain


def entry(deps=(), outs=(), **more):
    listed = {"deps": deps, "outs": outs}
    return {
        k: [{"path": path, "md5": path} for path in paths] for k, paths in listed.items()
    } | more


STAGES = {
    "train@full": entry(["data/g.h5", "reports/tuning/best.json", "src/a.py"], ["models/full"]),
    "train@clipped": entry(["data/g.h5"], ["models/clipped"]),
    "compare": entry(["models", "data/g.h5"], ["reports/compare.json"]),
    "tune": entry(["data/g.h5"], ["reports/tuning"]),
    "ingest": entry(["data/raw.h5"], ["data/g.h5"]),
    "render": entry(["src/b.py"], ["data/raw.h5"]),
}


@pytest.mark.parametrize(
    ("stage", "chain"),
    [
        ("render", ["render"]),
        ("train@full", ["render", "ingest", "tune", "train@full"]),
        ("train@clipped", ["render", "ingest", "train@clipped"]),
        ("compare", ["render", "ingest", "tune", "train@full", "train@clipped", "compare"]),
    ],
)
def test_a_chain_holds_all_that_led_to_a_stage_and_nothing_else(stage, chain):
    assert list(stage_chain(STAGES, stage)) == chain


def test_the_digest_of_an_entry_changes_with_what_it_says():
    first = entry_digest(entry(["a"], ["b"], cmd="x"))
    assert first == entry_digest(entry(["a"], ["b"], cmd="x"))
    assert len({first, entry_digest(entry(["a"], ["b"], cmd="y")), entry_digest(entry(["a"]))}) == 3


def test_folders_are_digested_as_dvc_does(tmp_path):
    files = {"b/two.txt": b"2\n", "a.json": b"{}", "b/é 1.bin": bytes(range(256))}
    for name, content in files.items():
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for command in (["init", "-q", "--no-scm"], ["add", "-q", "models"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True)
    (out,) = yaml.safe_load((tmp_path / "models.dvc").read_text())["outs"]
    assert folder_md5(files) == out["md5"]


def test_a_missing_lock_is_empty_and_a_broken_one_is_named(tmp_path):
    lock = tmp_path / "dvc.lock"
    assert read_lock(lock) == {}
    for text in ("a: [", "- 1", "schema: '2.0'", "stages: null", "stages: 7"):
        lock.write_text(text)
        with pytest.raises(InputError, match=r"dvc\.lock: not a dvc\.lock"):
            read_lock(lock)
