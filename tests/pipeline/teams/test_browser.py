"""`mlflow ui` as a person sees it who has never seen the code, walked through in a browser."""

import os
import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.pipeline.teams.browser import MISSING, Page, open_browser, programs
from tests.pipeline.teams.mlflow_server import mlflow_server

pytestmark = [
    pytest.mark.long,
    pytest.mark.service,
    pytest.mark.skipif(programs() is None, reason=MISSING),
]

PICTURES = os.environ.get("PIX2Z_PICTURES")
"""A folder to keep what was seen in, where a person wants to look at it."""

CARD = ("Data", "Metrics", "Limits", "Intended use")
"""Headings of a model card."""


@pytest.fixture(scope="module")
def address(production):
    """Of `mlflow ui`, started in the repository as `make ui` starts it."""
    workspace = production[0].workspace
    environment = workspace.environment()
    with mlflow_server("ui", folder=workspace.folder, environment=environment) as address:
        yield address


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
    return MlflowClient(production[0].uri)


@pytest.fixture(scope="module")
def ids(client) -> dict[str, str]:
    return {e.name: e.experiment_id for e in client.search_experiments()}


@pytest.fixture(scope="module")
def runs(client, ids) -> dict[str, str]:
    """Name of a training run -> its id."""
    training_runs = client.search_runs([ids["pix2z-train"]], max_results=1000)
    return {run.info.run_name: run.info.run_id for run in training_runs}


def test_every_experiment_says_what_it_is(page, address):
    page.show(
        f"{address}/#/experiments",
        *("pix2z-tune", "Searches for settings of the hybrid network."),
        *("pix2z-train", "Trained redshift networks."),
        *("pix2z-compare", "does clipping the training sample at 2 sigma help?"),
    )


def test_trainings_have_names_that_say_which_they_are(page, address, ids):
    page.show(
        f"{address}/#/experiments/{ids['pix2z-train']}/runs",
        *("full, seed 1", "full, pool", "clipped, pool", "published_full, pool"),
        *("pix2z-full", "matching runs"),
    )


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
    )
    line = ".js-plotly-plot .scatterlayer path.js-line"
    page.wait_for(line, count=3)  # titles are written before the lines are drawn
    paths = page.run(
        "return [...document.querySelectorAll(arguments[0])].map(path => path.getAttribute('d'))",
        line,
    )
    assert all(path.count("L") >= 1 or "C" in path for path in paths)  # a line, no single point


def test_the_registry_shows_the_champion_and_how_it_got_there(page, address):
    text = page.show(f"{address}/#/models", "pix2z-full", "pix2z-clipped", "@ champion")
    assert re.search(r"^pix2z\nVersion 1\n@ champion", text, re.MULTILINE)
    page.show(
        f"{address}/#/models/pix2z",
        *("the model in production", "promoted_by", "promoted_at", "lowest CRPS of"),
    )


@pytest.mark.parametrize("model", ["pix2z", "pix2z-full"])
def test_a_version_carries_its_card(page, address, model):
    text = page.show(f"{address}/#/models/{model}/versions/1", *CARD)
    headings = [line for line in text.splitlines() if line in CARD]
    assert headings[-4:] == list(CARD)
    assert "semi-real" in text
    assert "**" not in text  # what is bold is bold, no markup is left over
    assert ("@ champion" in text) == (model == "pix2z")
