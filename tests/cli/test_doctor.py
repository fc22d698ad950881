"""What `pix2z doctor` prints; tests/tracking/doctor tries every fault and its command."""

import json
import sys

import pytest

from pix2z import cli


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout in which nothing was ever run."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a command; exit code, stdout and stderr."""

    def run(*words: str):
        monkeypatch.setattr(sys, "argv", ["pix2z", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return run


def test_faults_are_explained_with_the_command_that_mends_them(root, call):
    code, said, _ = call("doctor")
    assert code == 1
    assert f"1. the store is missing: {root}/mlflow.db" in said
    assert "   $ dvc repro register" in said.splitlines() or "   $ dvc repro -s register" in said
    assert said.splitlines()[-1] == f"1 to mend, in this order, by commands for a shell in {root}"
    assert not (root / "mlflow.db").exists()


def test_json_holds_all_of_every_finding(root, call):
    code, said, _ = call("doctor", "--json")
    found = json.loads(said)
    assert (code, found["well"]) == (1, False)
    fault, note = found["findings"]
    assert set(fault) == {"what", "where", "why", "command", "name", "is_fault"}
    assert (fault["is_fault"], note["is_fault"]) == (True, False)


def test_what_is_not_at_fault_is_one_line_and_exit_code_2(root, call):
    code, _, said = call("doctor", "--mend", "nonsense")
    assert code == 2
    assert said.startswith("error: nonsense: no such fault is found; expected nothing")
    assert said.count("\n") == 1


def test_elsewhere_it_says_where_to_stand(tmp_path, call, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    code, _, said = call("doctor")
    assert code == 2
    assert "neither here nor above is a folder with params.yaml and dvc.yaml" in said


@pytest.mark.parametrize("command", [("lineage", "full"), ("reproduce", "full", "--check")])
def test_without_a_store_there_is_no_lineage(root, call, command):
    code, _, said = call(*command)
    assert code == 2
    assert said.count("\n") == 1
    assert f"{root}/mlflow.db: no such store of MLflow" in said
