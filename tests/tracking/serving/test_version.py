"""Which version is served, and what is said where it cannot be."""

import json

import pytest

from pix2z.cli.serve import serve
from pix2z.errors import InputError, IntegrityError, Pix2zError
from pix2z.tracking.serving.version import CHAMPION_URI, fetch_version
from pix2z.tracking.store import open_store
from tests.tracking.conftest import take_over_store


@pytest.fixture
def store(root, registered):
    """pix2z-full/1 and pix2z-published_full/1 are registered, nothing is promoted."""
    take_over_store(registered, root)
    return open_store()


def test_the_champion_is_the_default():
    assert serve.__defaults__[0] == CHAMPION_URI == "models:/pix2z@champion"


@pytest.mark.parametrize("spec", ["full", "pix2z-full/1", "models:/pix2z-full/1"])
def test_a_version_is_copied(store, registered, tmp_path, spec):
    version, model = fetch_version(store, spec, tmp_path / "served")
    assert version.label == "pix2z-full/1"
    assert model.is_relative_to(tmp_path / "served")
    assert {"MLmodel", "served_model.py", "artifacts", "code"} <= {p.name for p in model.iterdir()}
    pool = json.loads((model / "artifacts/pool/pool.json").read_text())
    assert pool == json.loads((registered / "models/full/pool.json").read_text())


def test_an_alias_is_followed(store, tmp_path):
    store.client.set_registered_model_alias("pix2z-full", "previous", "1")
    assert fetch_version(store, "models:/pix2z-full@previous", tmp_path)[0].label == "pix2z-full/1"


def test_without_a_champion_the_command_that_makes_one_is_named(store, tmp_path):
    with pytest.raises(InputError, match="no champion yet; `pix2z promote` makes one"):
        fetch_version(store, CHAMPION_URI, tmp_path)


def test_an_empty_registry_is_told_apart(root, tmp_path):
    with pytest.raises(InputError, match="no models are registered yet; run `make repro`"):
        fetch_version(open_store(), "full", tmp_path)


def test_a_version_that_is_not_there_is_named(store, tmp_path):
    with pytest.raises(InputError, match="pix2z-full/9"):
        fetch_version(store, "pix2z-full/9", tmp_path)


def test_a_version_of_another_pool_than_registered_is_refused(store, tmp_path):
    store.client.set_model_version_tag("pix2z-full", "1", "pool_digest", "another")
    with pytest.raises(IntegrityError, match="pix2z-full/1: its files hold the pool .*another"):
        fetch_version(store, "full", tmp_path)


def test_files_that_are_gone_are_one_line(root, store, registered, tmp_path):
    import sqlite3

    with sqlite3.connect(root / "mlflow.db") as connection:
        connection.execute("UPDATE model_versions SET storage_location = '/nowhere/at/all'")
    with pytest.raises(Pix2zError, match="pix2z-full/1: its files cannot be read") as error:
        fetch_version(store, "full", tmp_path)
    assert "pix2z doctor" in str(error.value)
    assert "\n" not in str(error.value)
