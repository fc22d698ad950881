"""`mlflow ui` as a person sees it who has never seen the code, walked through in a browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from tests.teams.browser import MISSING, PATIENCE_SECONDS, Page, open_browser, programs

pytestmark = pytest.mark.skipif(programs() is None, reason=MISSING)

PICTURES = os.environ.get("PIX2Z_PICTURES")
"""A folder to keep what was seen in, where a person wants to look at it."""


@pytest.fixture(scope="module")
def address(production):
    """Of `mlflow ui`, started in the repository as `make ui` starts it."""
    workspace, _ = production
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1"]
    log = workspace.folder / "ui.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=workspace.folder,
            env=workspace.environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        found = f"http://127.0.0.1:{port}"
        end = time.monotonic() + PATIENCE_SECONDS
        while not answers(found):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.2)
        yield found
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(autouse=True)
def seen(page: Page, request):
    """Keep a picture of where each test ended."""
    yield
    if PICTURES:
        page.picture(Path(PICTURES) / f"{request.node.name}.png")


@pytest.fixture(scope="module")
def client(production) -> MlflowClient:
    return MlflowClient(f"sqlite:///{production[0].folder}/mlflow.db")


@pytest.fixture(scope="module")
def ids(client) -> dict[str, str]:
    return {e.name: e.experiment_id for e in client.search_experiments()}


@pytest.fixture(scope="module")
def runs(client, ids) -> dict[str, str]:
    """Name of a training run -> its id."""
    found = client.search_runs([ids["pix2z-train"]], max_results=1000)
    return {run.info.run_name: run.info.run_id for run in found}


def test_every_experiment_says_what_it_is(page, address):
    page.show(
        f"{address}/#/experiments",
        *("pix2z-tune", "Searches for settings of the hybrid network."),
        *("pix2z-train", "Trained redshift networks."),
        *("pix2z-compare", "does clipping the training sample at 2 sigma help?"),
    )


def test_trainings_have_names_that_say_which_they_are(page, address, ids):
    text = page.show(
        f"{address}/#/experiments/{ids['pix2z-train']}/runs",
        *("full, seed 1", "full, pool", "clipped, pool", "published_full, pool"),
        *("pix2z-full", "matching runs"),
    )
    assert "one training sample and one architecture" in text


def test_full_and_clipped_are_compared_side_by_side(page, address, ids, runs, client):
    both = [runs["full, pool"], runs["clipped, pool"]]
    chosen = str(both).replace("'", '"')
    text = page.show(
        f'{address}/#/compare-runs?runs={chosen}&experiments=["{ids["pix2z-train"]}"]',
        *("Comparing 2 Runs from 1 Experiment", "full, pool", "clipped, pool"),
        *("test/crps", "test/mae", "test/coverage_95"),
    )
    assert re.search(r"^selection\s+full\s+clipped$", text, re.MULTILINE)
    for run in both:
        crps = client.get_run(run).data.metrics["test/crps"]
        assert f"{round(crps, 3):g}" in text.splitlines()


def test_a_training_shows_its_curves(page, address, ids, runs):
    run = runs["full, seed 1"]
    page.show(
        f"{address}/#/experiments/{ids['pix2z-train']}/runs/{run}/model-metrics",
        *("curves", "train_loss", "val_loss", "learning_rate"),
        "full, seed 1 (curves/val_loss)",
    )
    drawn = "return [...document.querySelectorAll('.js-plotly-plot .scatterlayer path.js-line')]"
    paths = page.run(f"{drawn}.map(path => path.getAttribute('d'))")
    assert len(paths) >= 3
    assert all(path.count("L") >= 1 or "C" in path for path in paths)  # a line, no single point


def test_the_registry_shows_the_champion_among_the_arms(page, address):
    text = page.show(f"{address}/#/models", "pix2z-full", "pix2z-clipped", "@ champion")
    assert re.search(r"^pix2z\nVersion 1\n@ champion", text, re.MULTILINE)


def test_the_model_in_production_says_how_its_versions_got_there(page, address):
    page.show(
        f"{address}/#/models/pix2z",
        "the model in production",
        "The alias champion is what is served, previous what pix2z rollback returns to.",
        *("promoted_by", "promoted_at", "replaces", "lowest CRPS of"),
    )


@pytest.mark.parametrize("model", ["pix2z", "pix2z-full", "pix2z-published_clipped"])
def test_a_version_carries_its_card(page, address, model):
    text = page.show(
        f"{address}/#/models/{model}/versions/1",
        *("Pool of seeds 1 of the arm", "Limits", "Intended use"),
        "Redshifts with their uncertainty for many galaxies",
    )
    card = text[text.index("Pool of seeds") :]
    headings = [line for line in card.splitlines() if line in HEADINGS]
    assert headings[:4] == list(HEADINGS)
    assert "semi-real: redshifts" in card
    assert re.search(r"^CRPS: 0\.\d{4}, inside 0\.\d{4}$", card, re.MULTILINE)
    assert "**" not in text  # what is bold is bold, no markup is left over
    assert ("@ champion" in text) == (model == "pix2z")


HEADINGS = ("Data", "Metrics", "Limits", "Intended use")


def test_nobody_has_to_guess_at_a_name(client, ids):
    """No run has a name that MLflow made up, and no experiment or model is without words."""
    for name, number in ids.items():
        if name == "Default":
            continue
        described = client.get_experiment(number).tags["mlflow.note.content"]
        assert re.match(r"[A-Z].*\.$", described, re.DOTALL)
        found = client.search_runs([number], max_results=1000)
        assert not [r.info.run_name for r in found if re.fullmatch(r"\w+-\w+-\d+", r.info.run_name)]
    for model in client.search_registered_models():
        assert len(model.description) > 100
        assert all(version.description for version in model.latest_versions)
