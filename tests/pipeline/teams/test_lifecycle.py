"""After the pipeline: promote, serve, roll back, look back, tune, as a person types it."""

import base64
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection

import numpy as np
import pytest
import yaml

from pix2z.catalogue.estimator import load_pool
from pix2z.dataset.store import open_galaxies
from tests.pipeline.teams.conftest import arms_by_crps, copied

pytestmark = pytest.mark.long

REASON = "it's sharper; see $HOME"


def test_the_first_promotion_takes_the_better_arm_and_says_why(production):
    team, printed = production
    best, second, *_ = arms_by_crps(team.workspace)
    assert printed.startswith(f"{best} has the lowest CRPS on ")
    assert second in printed
    assert f"Promoted: pix2z-{best}/1 is now the champion, as pix2z/1." in printed
    (event,) = team.history()
    assert event["source"] == f"pix2z-{best}/1"
    assert event["reason"].startswith("lowest CRPS of ")
    assert event["user"]
    assert event["metrics"]["crps"] > 0


def test_two_who_registered_at_once_made_everything_once(production):
    with sqlite3.connect(production[0].workspace.folder / "mlflow.db") as store:
        names = [name for (name,) in store.execute("SELECT name FROM runs WHERE name LIKE '%,%'")]
        versions = list(store.execute("SELECT name, version FROM model_versions"))
    assert len(names) == len(set(names)) > 0
    assert len(versions) == len(set(versions))
    assert {number for _, number in versions} == {1}


def test_the_champion_answers_over_http_as_the_files_do(production):
    workspace = production[0].workspace
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
            with closing(HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/invocations", body, headers)
                response = connection.getresponse()
                rows = json.loads(response.read())["predictions"]
        finally:
            server.terminate()
    assert (response.status, server.returncode) == (200, 0)
    redshifts = expected.estimate(images, ebv)
    z_median = [row["z_median"] for row in rows]
    np.testing.assert_allclose(z_median, redshifts.z_median, rtol=1e-5)
    pdf = [row["pdf"] for row in rows]
    np.testing.assert_allclose(pdf, redshifts.density, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def handed_over(registered_copy):
    """A team whose champion was its worst arm, and is now, by `mlflow run`, its best."""
    team = registered_copy("handed_over")
    team.run("pix2z", "promote", arms_by_crps(team.workspace)[-1])
    promote = ("mlflow", "run", ".", "-e", "promote", "--env-manager", "local")
    team.run(*promote, "-P", f"reason={REASON}")
    return team, promote


def test_mlflow_run_promotes_with_a_reason_and_without(handed_over):
    team, promote = handed_over
    best, *_, worst = arms_by_crps(team.workspace)
    first, second = team.history()
    assert (first["source"], first["outcome"]) == (f"pix2z-{worst}/1", "replaced")
    assert (second["source"], second["outcome"]) == (f"pix2z-{best}/1", "champion")
    assert second["reason"] == REASON
    assert f"pix2z-{best}/1 is the champion already (pix2z/2)." in team.run(*promote)
    assert len(team.history()) == 2
    with sqlite3.connect(team.workspace.folder / "mlflow.db") as store:
        runs = store.execute("SELECT name, status FROM runs WHERE experiment_id = 0")
        assert set(runs) == {("mlflow run -e promote", "FINISHED")}


def test_a_refusal_names_its_line_and_changes_nothing(handed_over):
    """No network can be as sharp as this."""
    team, _ = handed_over
    params = team.workspace.folder / "params.yaml"
    text = params.read_text()
    changed = yaml.safe_load(text)
    changed["promotion"]["limits"]["crps"] = 1e-6
    params.write_text(yaml.safe_dump(changed))
    before = team.aliases(), team.history()
    try:
        printed = team.run("pix2z", "promote", arms_by_crps(team.workspace)[1], code=3)
    finally:
        params.write_text(text)
    assert "error: " in printed
    assert "is refused: CRPS: " in printed
    assert (team.aliases(), team.history()) == before


def test_rolling_back_returns_to_the_previous_one(handed_over):
    team, _ = handed_over
    worst = arms_by_crps(team.workspace)[-1]
    printed = team.run("pix2z", "rollback", "--reason", "it drifts")
    assert printed.startswith(f"Rolled back: pix2z/1 (pix2z-{worst}/1) is the champion again")
    assert team.aliases() == {"pix2z/1": ["champion"], "pix2z/2": ["previous"]}
    *_, last = team.history()
    assert (last["action"], last["outcome"]) == ("rollback", "champion")
    assert last["reason"] == "it drifts"


def test_tuning_and_the_pipeline_run_side_by_side(finished, tmp_path):
    """In a store that neither has made yet; an arm is trained meanwhile."""
    workspace = copied(finished, tmp_path / "copy")
    path = workspace.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["arms"]["clipped"]["seeds"] = [9]
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
        printed = workspace.run(sys.executable, "-m", "dvc", "repro", "register")
    finally:
        tuned = tuning.communicate(timeout=600)[0]
    assert tuning.returncode == 0, tuned[-3000:]
    assert "Running stage 'train'" in printed
    with sqlite3.connect(workspace.folder / "mlflow.db") as store:
        runs = dict(store.execute("SELECT name, status FROM runs WHERE name NOT LIKE 'trial%'"))
        versions = {name for (name,) in store.execute("SELECT name FROM model_versions")}
    assert runs.keys() >= {"clipped, seed 9", "pix2z tune of 3 trials", "study of 2 trials"}
    assert set(runs.values()) == {"FINISHED"}
    assert versions >= {f"pix2z-{arm}" for arm in params["arms"]}
