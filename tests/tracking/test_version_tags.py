"""Tags that say what a version was made from: the gate and lineage rest on them."""

import subprocess

import pytest

from pix2z.tracking.register import register

MADE_FROM = ("galaxies_digest", "split_digest", "test_digest")


def git(folder, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", *who, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def version_tags(client, name="pix2z-full"):
    return client.get_model_version(name, "1").tags


@pytest.fixture
def committed(root):
    """The folder under git: its commit."""
    git(root, "init")
    (root / "params.yaml").write_text("a: 1\n")
    git(root, "add", "params.yaml")
    git(root, "commit", "-m", "first")
    return git(root, "rev-parse", "HEAD")


def test_a_version_names_its_data_its_test_galaxies_and_its_commit(root, arms, client, committed):
    register(root, arms)
    tags = version_tags(client)
    assert tags["test_digest"] == "test"
    assert tags["split_digest"].startswith("sha256:")
    assert (tags["git_commit"], tags["git_dirty"]) == (committed, "false")
    run = client.get_run(client.get_model_version("pix2z-full", "1").run_id)
    assert {key: run.data.tags[key] for key in MADE_FROM} == {key: tags[key] for key in MADE_FROM}


def test_without_git_or_split_there_are_no_such_tags(root, arms, client):
    (root / "reports/split.json").unlink()
    register(root, arms)
    assert not {"test_digest", "git_commit", "git_dirty"} & version_tags(client).keys()


def test_a_version_of_an_older_pix2z_gets_what_it_lacks(root, arms, client, committed):
    register(root, arms)
    before = version_tags(client)
    for key in ("test_digest", "split_digest", "git_commit", "git_dirty"):
        client.delete_model_version_tag("pix2z-full", "1", key)
    (root / "params.yaml").write_text("a: 2\n")  # what is changed now did not make that version
    register(root, arms)
    assert version_tags(client) == before


def test_what_a_version_says_is_never_overwritten(root, arms, client):
    register(root, arms)
    client.set_model_version_tag("pix2z-full", "1", "test_digest", "other")
    client.delete_model_version_tag("pix2z-full", "1", "split_digest")
    register(root, arms)
    tags = version_tags(client)
    assert (tags["test_digest"], "split_digest" in tags) == ("other", True)
