"""After the pipeline: promote, serve, roll back, look back, make again, as a person types it."""

import base64
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from http.client import HTTPConnection

import numpy as np
import pytest
import yaml

from pix2z.dataset.store import open_galaxies
from pix2z.network.estimator import load_pool
from tests.pipeline.teams.conftest import copied

REASON = "it's sharper; see $HOME"


def arms_by_crps(workspace) -> list[str]:
    compared = json.loads((workspace.folder / "reports/compare.json").read_text())["arms"]
    return sorted(compared, key=lambda arm: compared[arm]["whole"]["crps"]["value"])


def test_the_first_promotion_takes_the_better_arm_and_says_why(production):
    workspace, said = production
    best, second, *_ = arms_by_crps(workspace)
    assert said.startswith(f"{best} has the lowest CRPS on ")
    assert second in said.splitlines()[0]
    assert f"Promoted: pix2z-{best}/1 is now the champion, as pix2z/1." in said
    (event,) = json.loads(workspace.run("pix2z", "history", "--json"))
    assert event["source"] == f"pix2z-{best}/1"
    assert event["reason"].startswith("lowest CRPS of ")
    assert event["user"]
    assert event["metrics"]["crps"] > 0


def test_the_champion_answers_over_http_as_the_files_do(production):
    workspace, _ = production
    with open_galaxies(workspace.folder / "data/galaxies.h5") as galaxies:
        images, ebv = galaxies.images([0, 1, 2]), galaxies.column("ebv", [0, 1, 2])
    expected = load_pool(workspace.folder / "models" / arms_by_crps(workspace)[0])
    text = base64.b64encode(images.astype("<f4").tobytes()).decode()
    body = json.dumps({"inputs": {"images": text, "ebv": ebv.tolist(), "pdf": True}})
    with subprocess.Popen(
        ["pix2z", "serve", "--port", "0"],
        cwd=workspace.folder,
        env=workspace.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            line = server.stdout.readline()
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)/invocations", line)[1])
            connection = HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            rows = json.loads(response.read())["predictions"]
            connection.close()
        finally:
            server.terminate()
    assert (response.status, server.returncode) == (200, 0)
    found = expected.estimate(images, ebv)
    np.testing.assert_allclose([row["z_median"] for row in rows], found.z_median, rtol=1e-5)
    np.testing.assert_allclose([row["pdf"] for row in rows], found.density, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def handed_over(production):
    """A store of its own in which the worst arm is champion, and then, by mlflow run, the best."""
    workspace, _ = production
    second = workspace.folder / "second.db"
    shutil.copy(workspace.folder / "before.db", second)
    address = f"MLFLOW_TRACKING_URI=sqlite:///{second}"

    def run(*command: str, code: int = 0) -> str:
        return workspace.run("env", address, *command, code=code)

    promote = ("mlflow", "run", ".", "-e", "promote", "--env-manager", "local")
    run("pix2z", "promote", arms_by_crps(workspace)[-1])
    run(*promote, "-P", f"reason={REASON}")
    return run, promote


def test_mlflow_run_promotes_with_a_reason_and_without(handed_over, production):
    run, promote = handed_over
    best, *_, worst = arms_by_crps(production[0])
    first, second = json.loads(run("pix2z", "history", "--json"))
    assert (first["source"], first["outcome"]) == (f"pix2z-{worst}/1", "replaced")
    assert (second["source"], second["outcome"]) == (f"pix2z-{best}/1", "champion")
    assert second["reason"] == REASON
    assert f"pix2z-{best}/1 is the champion already (pix2z/2)." in run(*promote)
    assert len(json.loads(run("pix2z", "history", "--json"))) == 2


def test_a_refusal_names_its_line_and_changes_nothing(handed_over, production):
    """No network can be as sharp as this."""
    run, _ = handed_over
    params = production[0].folder / "params.yaml"
    text = params.read_text()
    changed = yaml.safe_load(text)
    changed["promotion"]["limits"]["crps"] = 1e-6
    params.write_text(yaml.safe_dump(changed))
    before = run("pix2z", "models", "--json"), run("pix2z", "history", "--json")
    try:
        said = run("pix2z", "promote", arms_by_crps(production[0])[1], code=3)
    finally:
        params.write_text(text)
    assert "error: " in said
    assert "is refused: CRPS: " in said
    assert (run("pix2z", "models", "--json"), run("pix2z", "history", "--json")) == before


def test_rolling_back_returns_to_the_previous_one(handed_over, production):
    run, _ = handed_over
    worst = arms_by_crps(production[0])[-1]
    said = run("pix2z", "rollback", "--reason", "it drifts")
    assert said.startswith(f"Rolled back: pix2z/1 (pix2z-{worst}/1) is the champion again")
    listed = {v["uri"]: v["aliases"] for v in json.loads(run("pix2z", "models", "--json"))}
    assert listed["models:/pix2z/1"] == ["champion"]
    assert listed["models:/pix2z/2"] == ["previous"]
    *_, last = json.loads(run("pix2z", "history", "--json"))
    assert (last["action"], last["outcome"], last["reason"]) == (
        "rollback",
        "champion",
        "it drifts",
    )


def test_tuning_and_the_pipeline_run_side_by_side(finished, tmp_path):
    """In a store that neither has made yet; an arm is trained meanwhile."""
    workspace = copied(finished, tmp_path / "copy")
    path = workspace.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["arms"]["subsample"]["seeds"] = [9]
    path.write_text(yaml.safe_dump(params))
    tuning = subprocess.Popen(
        ["pix2z", "tune", "--trials", "3", "--epochs", "1"],
        cwd=workspace.folder,
        env=workspace.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = workspace.run(sys.executable, "-m", "dvc", "repro", "register")
    finally:
        tuned = tuning.communicate(timeout=600)[0]
    assert tuning.returncode == 0, tuned[-3000:]
    assert "Running stage 'train@subsample'" in said
    with sqlite3.connect(workspace.folder / "mlflow.db") as store:
        runs = dict(store.execute("SELECT name, status FROM runs WHERE name NOT LIKE 'trial%'"))
        versions = {name for (name,) in store.execute("SELECT name FROM model_versions")}
    assert runs.keys() >= {"subsample, seed 9", "pix2z tune of 3 trials", "study of 2 trials"}
    assert set(runs.values()) == {"FINISHED"}
    assert versions >= {f"pix2z-{arm}" for arm in params["arms"]}
