import subprocess
import sys

import pytest

from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.registration import register
from pix2z.tracking.versions import pool_cache, resolve_pool


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/pix2z/pools"


@pytest.fixture
def registered(root, arms, client, cache):
    """Both arms in the registry, and `full` there as champion."""
    register(root, arms)
    client.set_registered_model_alias("pix2z-full", "champion", "1")
    return root


def test_an_arm_a_fine_tuned_model_and_a_folder_are_found(root, tmp_path):
    tuned = root / "finetuned/field"
    tuned.mkdir(parents=True)
    (tuned / "pool.json").write_text("{}")
    assert resolve_pool("full", root=root) == root / "models/full"
    assert resolve_pool("field", root=root) == tuned
    assert resolve_pool("finetuned/field", root=root) == tuned
    assert resolve_pool(str(root / "models/published_full")) == root / "models/published_full"


def test_an_arm_goes_before_a_folder_of_that_name(root, monkeypatch):
    (root / "full").mkdir()
    (root / "full/pool.json").write_text("{}")
    assert resolve_pool("full", root=root) == root / "models/full"


@pytest.mark.parametrize("spec", ["fulll", "", "models", "data/galaxies.h5"])
def test_what_is_not_there_names_what_is(root, spec):
    with pytest.raises(
        InputError, match="expected one of full, published_full, a folder with pool"
    ):
        resolve_pool(spec, root=root)


def test_without_any_pool_the_ways_to_name_one_are_said(tmp_path):
    with pytest.raises(InputError, match="expected a folder with pool.json, or models:/"):
        resolve_pool("full", root=tmp_path)


@pytest.mark.parametrize("uri", ["models:/pix2z-full/1", "models:/pix2z-full@champion"])
def test_a_registered_version_is_downloaded_whole(registered, cache, uri):
    folder = resolve_pool(uri)
    source = registered / "models/full"
    assert folder.parent == cache == pool_cache()
    for name in ("pool.json", "seed-1/estimator.json", "seed-2/weights.weights.h5"):
        assert (folder / name).read_bytes() == (source / name).read_bytes()
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_a_pool_is_downloaded_once(registered, cache):
    folder = resolve_pool("models:/pix2z-full/1")
    before = (folder / "pool.json").stat().st_ino
    assert resolve_pool("models:/pix2z-full@champion") == folder
    assert (folder / "pool.json").stat().st_ino == before


def test_a_download_that_a_kill_left_is_made_anew(registered, cache):
    folder = resolve_pool("models:/pix2z-full/1")
    (folder / "pool.json").unlink()
    (folder / "seed-1/weights.weights.h5").write_text("half")
    assert resolve_pool("models:/pix2z-full/1") == folder
    assert (folder / "seed-1/weights.weights.h5").read_bytes() == b"full1"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/pix2z-other/1", "no registered model 'pix2z-other'; expected one of pix2z-full,"),
        ("models:/pix2z-full/7", "pix2z-full has no version '7'; expected one of 1"),
        ("models:/pix2z-full@best", "pix2z-full has no alias 'best'; expected one of champion"),
        ("models:/pix2z-full", "expected models:/NAME/VERSION or models:/NAME@ALIAS"),
        ("models:/", "expected models:/NAME/VERSION or models:/NAME@ALIAS"),
    ],
)
def test_an_unknown_version_names_what_the_registry_holds(registered, uri, message):
    with pytest.raises(InputError, match=message):
        resolve_pool(uri)


def test_a_version_of_somebody_else_is_refused(registered, client):
    client.delete_model_version_tag("pix2z-full", "1", "pool_digest")
    with pytest.raises(InputError, match="not a pool that pix2z registered"):
        resolve_pool("models:/pix2z-full/1")


def test_an_altered_cache_is_refused(registered, cache):
    folder = resolve_pool("models:/pix2z-full/1")
    (folder / "pool.json").write_text('{"digest": "another"}')
    with pytest.raises(Pix2zError, match="not the pool of models:/pix2z-full/1; delete the folder"):
        resolve_pool("models:/pix2z-full/1")


def test_a_store_out_of_reach_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(Pix2zError, match="store cannot be read") as caught:
        resolve_pool("models:/pix2z-full/1")
    assert "\n" not in str(caught.value)


def test_a_local_name_needs_no_mlflow(root):
    code = (
        "import sys; from pathlib import Path; from pix2z.tracking.versions import resolve_pool; "
        f"resolve_pool('full', root=Path({str(root)!r})); sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
