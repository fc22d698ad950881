"""What a person calls a model, in the folders here and in the registry."""

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pix2z.errors import InputError, IntegrityError, Pix2zError
from pix2z.tracking import versions as versions_module
from pix2z.tracking.store import existing_store
from pix2z.tracking.versions import (
    POOL_FILES,
    SHOWN,
    Version,
    download,
    find_version,
    listed_versions,
    pool_cache,
    read_versions,
    resolve_pool,
)
from tests.tracking.conftest import own_artifacts


def version(name, number, *aliases, **tags):
    return Version(name, number, "run", 0.0, {"pool_digest": f"{name}{number}", **tags}, aliases)


KNOWN = [
    version("pix2z", 2, "champion", source="pix2z-full/2"),
    version("pix2z", 1, "previous"),
    version("pix2z-clipped", 1),
    version("pix2z-field", 1),
    version("pix2z-full", 10),
    version("pix2z-full", 2),
]


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("full", "pix2z-full/10"),
        ("pix2z-full", "pix2z-full/10"),
        ("finetuned/field", "pix2z-field/1"),
        ("pix2z-full/2", "pix2z-full/2"),
        ("full/2", "pix2z-full/2"),
        ("models:/pix2z-full/2", "pix2z-full/2"),
        ("models:/pix2z@previous", "pix2z/1"),
        ("pix2z@champion", "pix2z/2"),
        ("pix2z/2", "pix2z/2"),
    ],
)
def test_a_version_is_found_as_people_name_it(spec, label):
    assert find_version(KNOWN, spec).label == label


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fulll", "not registered; expected one of clipped, field, full, or a version as pix2z-"),
        ("", "not registered"),
        ("full/3", "no such version; expected one of pix2z-clipped/1, pix2z-field/1, pix2z-full/1"),
        ("full/", "no such version"),
        ("full/two", "no such version"),
        ("models:/pix2z@challenger", "no such version; .*pix2z@champion, pix2z@previous"),
        ("models:/other@champion", "not registered"),
    ],
)
def test_an_unknown_one_names_what_there_is(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        find_version(KNOWN, spec)
    assert "\n" not in str(caught.value)


def test_without_a_champion_the_command_that_makes_one_is_named():
    with pytest.raises(InputError, match="no champion yet; `pix2z promote` makes one"):
        find_version(KNOWN[2:], "models:/pix2z@champion")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/pix2z/pools"


@pytest.fixture
def both(root, registered, client, cache):
    """Both arms in the registry, and `full` there as champion, though not of production."""
    shutil.copy(registered / "mlflow.db", root / "mlflow.db")
    client.set_registered_model_alias("pix2z-full", "champion", "1")
    return root


@pytest.fixture
def own_pool(both, registered, client):
    """Give the store artifacts of its own; return the folder of pix2z-full/1's pool."""
    own_artifacts(registered, both)
    model = Path(client.get_model_version_download_uri("pix2z-full", "1"))
    assert model.is_relative_to(both)
    return model / POOL_FILES


@pytest.mark.parametrize("page", [1000, 1])
def test_versions_are_read_with_their_aliases_whatever_else_is_registered(
    both, client, monkeypatch, page
):
    """Page by page."""
    monkeypatch.setattr(versions_module, "_PAGE", page)
    for name in ("pix2z-of-a-stranger", "other"):
        client.create_registered_model(name)
        client.create_model_version(name, str(both))
    versions = read_versions(client)
    assert [v.label for v in versions] == ["pix2z-full/1", "pix2z-published_full/1"]
    assert versions[0].aliases == ("champion",)
    assert versions[0].test_digest == "test"
    assert versions[0].created > 1e9


@pytest.mark.parametrize("at_once", [100, 1])
def test_versions_are_listed_with_the_metrics_of_their_runs(both, client, monkeypatch, at_once):
    """Also those of a run that was deleted; a version whose run says nothing has none."""
    monkeypatch.setattr(versions_module, "_RUNS_AT_ONCE", at_once)
    client.delete_run(client.get_model_version("pix2z-full", "1").run_id)
    client.create_registered_model("pix2z-other")
    client.create_model_version("pix2z-other", "somewhere", tags={"pool_digest": "other"})
    listed = {of_one["uri"]: of_one for of_one in listed_versions(client)}
    full, other = listed["models:/pix2z-full/1"], listed["models:/pix2z-other/1"]
    run = client.get_run(full["run_id"])
    assert full["metrics"]["mae"] == run.data.metrics["test/mae"] == 0.1
    assert set(full["metrics"]) == set(SHOWN)
    assert full["digests"]["test_digest"] == "test"
    assert {"pool_digest", "split_digest", "galaxies_digest"} <= full["digests"].keys()
    assert (full["aliases"], full["source"], full["promoted_at"]) == (["champion"], None, None)
    assert full["registered_at"].endswith("+00:00")
    assert set(other["metrics"].values()) == {None}
    assert (other["run_id"], other["digests"], other["git_commit"]) == (
        None,
        {"pool_digest": "other"},
        None,
    )


def test_an_arm_a_fine_tuned_model_and_a_folder_are_found(root):
    tuned = root / "finetuned/field"
    tuned.mkdir(parents=True)
    (tuned / "pool.json").write_text('{"digest": "abc"}')
    (root / "full").mkdir()
    (root / "full/pool.json").write_text("{}")
    assert resolve_pool("full", root=root) == root / "models/full"  # an arm before a folder
    assert resolve_pool("field", root=root) == tuned
    assert resolve_pool("finetuned/field", root=root) == tuned
    assert resolve_pool(str(root / "models/published_full")) == root / "models/published_full"
    with pytest.raises(InputError, match="one of full, published_full, finetuned/field, a folder"):
        resolve_pool("other", root=root)


@pytest.mark.parametrize("spec", ["fulll", "", "models", "data/galaxies.h5", "pix2z-data/full"])
def test_what_is_not_there_names_what_is(root, spec):
    with pytest.raises(
        InputError, match="expected one of full, published_full, a folder with pool"
    ):
        resolve_pool(spec, root=root)


def test_without_any_pool_the_ways_to_name_one_are_said(tmp_path):
    with pytest.raises(InputError, match="expected a folder with pool.json, or models:/"):
        resolve_pool("full", root=tmp_path)


def test_a_local_name_needs_no_mlflow(root):
    code = (
        "import sys; from pathlib import Path; from pix2z.tracking.versions import resolve_pool; "
        f"resolve_pool('full', root=Path({str(root)!r})); sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def pools_in(cache):
    """Folders of the cache, hidden ones too; beside them are the locks of downloads."""
    return [path for path in cache.iterdir() if path.suffix != ".lock"]


def test_many_that_ask_for_a_version_first_download_it_once(both, cache, monkeypatch):
    """As the processes of one batch with an empty cache: nobody takes a pool from another."""
    n_askers, downloads = 4, []
    together = threading.Barrier(n_askers)

    def counted(*arguments, **named):
        downloads.append(arguments)
        return download(*arguments, **named)

    def ask(_):
        together.wait()
        return resolve_pool("models:/pix2z-full/1")

    resolve_pool("models:/pix2z-full/1")  # MLflow is imported once
    shutil.rmtree(cache)
    monkeypatch.setattr(versions_module, "download", counted)
    with ThreadPoolExecutor(n_askers) as askers:
        folders = set(askers.map(ask, range(n_askers)))
    assert len(downloads) == 1
    assert pools_in(cache) == list(folders)


def test_a_registered_version_is_downloaded_once_and_whole(both, cache):
    folder = resolve_pool("models:/pix2z-full/1")
    source = both / "models/full"
    assert folder.parent == cache == pool_cache()
    for name in ("pool.json", "seed-1/estimator.json", "seed-2/weights.weights.h5"):
        assert (folder / name).read_bytes() == (source / name).read_bytes()
    assert pools_in(cache) == [folder]
    before = (folder / "pool.json").stat().st_ino
    for spec in ("models:/pix2z-full@champion", "pix2z-full@champion", "pix2z-full/1"):
        assert resolve_pool(spec) == folder
    assert (folder / "pool.json").stat().st_ino == before
    # What a kill left of a download is made anew; another pool in its place is refused.
    (folder / "pool.json").unlink()
    (folder / "seed-1/weights.weights.h5").write_text("half")
    assert resolve_pool("models:/pix2z-full/1") == folder
    assert (folder / "seed-1/weights.weights.h5").read_bytes() == b"full1"
    (folder / "pool.json").write_text('{"digest": "another"}')
    with pytest.raises(Pix2zError, match="not the pool of models:/pix2z-full/1; delete the folder"):
        resolve_pool("models:/pix2z-full/1")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("gone", "its artifacts are gone ("),
        ("not JSON", "its artifacts are gone ("),
        ("another pool", "its files hold the pool another, not pool-member-full-1-"),
    ],
)
@pytest.mark.parametrize("part", ["", POOL_FILES])
def test_a_version_that_does_not_hold_its_own_pool_is_not_downloaded(
    both, tmp_path, own_pool, part, how, words
):
    if how == "gone":
        shutil.rmtree(own_pool.parents[1])
    else:
        own_pool.joinpath("pool.json").write_text(
            "{" if how == "not JSON" else '{"digest": "another"}'
        )
    with existing_store() as store:
        version = find_version(read_versions(store.client), "full")
        with pytest.raises(IntegrityError) as refused:
            download(store, version, tmp_path, part=part)
    assert str(refused.value).startswith(f"pix2z-full/1: {words}")
    assert "\n" not in str(refused.value)
