"""What a person calls a model, in the folders here and in the registry."""

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.errors import InputError, IntegrityError, Pix2zError
from pix2z.files import read_json
from pix2z.tracking import model_names
from pix2z.tracking.kinds import POOLS, SPECTRA
from pix2z.tracking.model_names import (
    SHIPPED,
    default_model,
    download,
    find_registered,
    resolve_model,
    resolve_pool,
)
from pix2z.tracking.register import register
from pix2z.tracking.store import existing_store
from pix2z.tracking.versions import find_version, read_versions
from tests.tracking.conftest import own_artifacts


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/pix2z/pools"


@pytest.fixture
def own_pool(both, registered, client):
    """Give the store artifacts of its own; return the folder of pix2z-full/1's pool."""
    own_artifacts(registered, both)
    model = Path(client.get_model_version_download_uri("pix2z-full", "1"))
    assert model.is_relative_to(both)
    return model / POOLS.files


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


def test_the_spectrum_networks_have_one_name():
    """It is written in two places: served models import neither configuration nor YAML."""
    assert SPECTRA.production == SPECTRUM_MODEL


def test_a_local_name_needs_no_mlflow(root):
    code = (
        "import sys; from pathlib import Path\n"
        "from pix2z.tracking.model_names import resolve_pool\n"
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
    monkeypatch.setattr(model_names, "download", counted)
    with ThreadPoolExecutor(n_askers) as askers:
        folders = set(askers.map(ask, range(n_askers)))
    assert len(downloads) == 1
    assert pools_in(cache) == list(folders)


def test_a_registered_version_is_downloaded_once_and_whole(both, cache):
    folder = resolve_pool("models:/pix2z-full/1")
    source = both / "models/full"
    assert folder.parent == cache
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
    with pytest.raises(Pix2zError, match="not the model models:/pix2z-full/1; delete the folder"):
        resolve_pool("models:/pix2z-full/1")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("gone", "its artifacts are gone ("),
        ("not JSON", "its artifacts are gone ("),
        ("another pool", "its files hold the model another, not pool-member-full-1-"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_version_that_does_not_hold_its_own_pool_is_not_downloaded(
    both, tmp_path, own_pool, whole, how, words
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
            download(store, version, tmp_path, whole=whole)
    assert str(refused.value).startswith(f"pix2z-full/1: {words}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("spec", ["pix2z-full", "full/1", "full", "finetuned/full", "full/latest"])
def test_a_name_that_is_in_no_folder_here_is_looked_up_in_the_registry(
    both, monkeypatch, tmp_path, spec
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{both}/mlflow.db")
    monkeypatch.delenv("DVC_ROOT")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    found = resolve_pool(spec, root=elsewhere)
    assert read_json(found / "pool.json") == read_json(both / "models/full/pool.json")
    with pytest.raises(InputError, match="model 'fulll': not found; expected a folder"):
        resolve_pool("fulll", root=elsewhere)


def test_a_folder_and_a_name_lead_to_the_registered_version(both, client, monkeypatch):
    monkeypatch.chdir(both)
    versions = read_versions(client)
    for spec in ("full", "models/full", str(both / "models/full"), "pix2z-full/1", "models:/full"):
        assert find_registered(versions, spec).label == "pix2z-full/1"
    (both / "runs/mine").mkdir(parents=True)
    (both / "runs/mine/pool.json").write_text('{"digest": "unheard of"}')
    with pytest.raises(InputError, match="runs/mine: not registered; `dvc repro register`"):
        find_registered(versions, "runs/mine")


def test_spectrum_networks_are_named_as_pools_are(root, cache, networks):
    register(root, {}, networks)
    digest = read_json(root / "spectrum/models/full/spectrum.json")["digest"]
    for spec in ("full", "pix2z-spectrum@full", "models:/pix2z-spectrum/1"):
        folder = resolve_model(spec, SPECTRA, root=root)
        assert read_json(folder / "spectrum.json")["digest"] == digest
    assert folder.parent == cache
    shutil.move(root / "spectrum", root / "elsewhere")
    assert resolve_model("full", SPECTRA, root=root) == folder  # the alias of an arm


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("plain", POOLS, "model 'plain': is a spectrum model, which pix2z spectrum takes"),
        ("pix2z-spectrum@full", POOLS, "is a spectrum model, which pix2z spectrum takes; expected"),
        ("published_full", SPECTRA, "'published_full': is a model, which pix2z predict takes"),
    ],
)
def test_a_model_of_the_other_kind_is_told_apart(root, networks, spec, kind, words):
    assert networks
    with pytest.raises(InputError, match=words):
        resolve_model(spec, kind, root=root)


def test_without_a_name_the_champion_is_taken_else_full_and_that_is_said(both, client):
    full = ("full", "No --model given, and there is no champion: full is taken.")
    assert default_model() == full
    client.copy_model_version("models:/pix2z-published_full/1", "pix2z")
    client.set_registered_model_alias("pix2z", "champion", "1")
    client.set_model_version_tag("pix2z", "1", "source", "pix2z-published_full/1")
    name, words = default_model()
    assert name == "models:/pix2z/1"
    assert words == (
        "No --model given: the champion is taken, pix2z/1, a copy of pix2z-published_full/1."
    )
    expected = both / "models/published_full/pool.json"
    assert read_json(resolve_pool(name) / "pool.json") == read_json(expected)
    spectrum = ("full", "No --model given, and no spectrum model is champion: full is taken.")
    assert default_model(SPECTRA) == spectrum
    (both / "mlflow.db").unlink()
    assert default_model() == full


def test_where_there_is_neither_champion_nor_full_the_shipped_student_is_taken(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    assert default_model() == (
        "student",
        "No --model given and none trained here: the network that comes with pix2z (student) is "
        "taken. It learned from images drawn of real SDSS galaxies, not from real images.",
    )
    assert resolve_pool("student") == SHIPPED
    assert default_model(SPECTRA)[0] == default_model(shipped=False)[0] == "full"
    for place in ("finetuned/student", "models/full"):
        assert default_model()[0] == "student"
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "pool.json").write_text("{}")
        assert resolve_pool("student") == Path("finetuned/student")  # one's own goes first
    (tmp_path / "models").rename(tmp_path / "elsewhere")
    assert default_model()[1] == (
        "No --model given and there is no full here: finetuned/student is taken."
    )
    (tmp_path / "elsewhere").rename(tmp_path / "models")
    assert default_model() == ("full", "No --model given, and there is no champion: full is taken.")


def test_what_is_said_of_the_shipped_student_is_what_its_file_says():
    (network,) = SHIPPED.glob("*/estimator.json")
    trained_on = read_json(network)["record"]["trained_on"]
    assert trained_on.startswith("semi-real: ")
    assert " real SDSS galaxies " in trained_on
    assert "images, shapes, PSF, noise, neighbours and moved redshifts are rendered" in trained_on


def test_without_mlflow_the_registry_is_not_asked_and_that_is_said(tmp_path, monkeypatch):
    for name in ("DVC_ROOT", "PIX2Z_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("params.yaml", "dvc.yaml", "mlflow.db"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    not_asked = " The registry could not be asked: mlflow is not installed."
    name, words = default_model()
    assert name == "student"
    assert words.endswith(f", not from real images.{not_asked}")
    (tmp_path / "models/full").mkdir(parents=True)
    (tmp_path / "models/full/pool.json").touch()
    assert default_model() == ("full", f"No --model given: full is taken.{not_asked}")


def test_a_store_that_does_not_answer_is_not_taken_for_one_without_a_champion(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Pix2zError, match="cannot be reached"):
        default_model()


@pytest.mark.parametrize("spec", ["pix2z-spectrum/1", "models:/pix2z-spectrum@full"])
def test_a_spectrum_network_is_not_called_unregistered(root, spec):
    with pytest.raises(InputError, match="is a spectrum model; expected a redshift network, as fu"):
        find_registered([], spec)
