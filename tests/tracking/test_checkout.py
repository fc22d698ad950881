"""The checkout that commands work in."""

import pytest

from pix2z.errors import InputError
from pix2z.tracking.checkout import models_home, repository_root, use_repository


@pytest.fixture(autouse=True)
def unnamed(monkeypatch):
    for name in ("DVC_ROOT", "PIX2Z_HOME"):
        monkeypatch.setenv(name, "")  # as if it were not set, and as before afterwards


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    (folder / "below/it").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        (folder / name).touch()
    return folder


def test_it_is_the_nearest_folder_upwards(checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(checkout / "below/it")
    assert repository_root() == checkout
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "a"))
    assert repository_root() == tmp_path / "a"


def test_outside_of_any_the_error_names_the_ways_to_say_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"dvc\.yaml; name one with --repo or PIX2Z_HOME"):
        repository_root()
    assert str(models_home()) == "."


def test_it_can_be_named_from_anywhere(checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIX2Z_HOME", "checkout")
    assert repository_root() == models_home() == checkout
    # A stage that DVC runs in a copy works on that copy, whatever the user's shell says.
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert repository_root() == tmp_path
    # What the command line says wins over both.
    use_repository(checkout)
    assert repository_root() == checkout
    monkeypatch.chdir(checkout)
    assert str(models_home()) == "."


def test_a_folder_that_is_none_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"--repo .*: expected a folder with params\.yaml and dvc"):
        use_repository(tmp_path)
    monkeypatch.setenv("PIX2Z_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"PIX2Z_HOME=.*: expected a folder with params\.yaml"):
        repository_root()
