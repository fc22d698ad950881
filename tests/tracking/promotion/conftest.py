"""Registered versions to promote.

`store` holds versions of made-up pools, which need no TensorFlow; `world` is a folder with galaxies
and a store that holds trained networks, with what they predict; `run` runs commands in it.
"""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pix2z import cli
from pix2z.cli.workspace import merge
from pix2z.dataset.splits import ids_digest, write_split
from pix2z.dataset.store import open_galaxies
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.tracking.promotion import judgement
from pix2z.tracking.promotion.gate import Check
from pix2z.tracking.promotion.judgement import Decision
from pix2z.tracking.records import TRAININGS, RunRecord
from pix2z.tracking.register import ensure_models
from pix2z.tracking.served_forms import POOL
from pix2z.tracking.store import Store, open_store
from pix2z.tracking.trainings import TrainedModel
from pix2z.tracking.versions import CHAMPION, find_version, read_versions, with_alias
from tests.tracking.conftest import own_artifacts, take_over_store

ROOT = Path(__file__).parents[3]
# The calibration tells them apart: full is the better one, clipped is far too sure of itself.
TEMPERATURES = {"full": 1.0, "clipped": 0.05}


def lines(text: str) -> dict[str, str]:
    """Lines of a table by their first cell."""
    return {line.split("  ")[0]: line for line in text.splitlines() if line.strip()}


def set_promotion(world: Path, **settings) -> None:
    """Change settings of the section promotion of params.yaml."""
    params = yaml.safe_load((world / "params.yaml").read_text())
    params["promotion"] = merge(params["promotion"], settings, path="")
    (world / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture
def store(root, registered) -> Store:
    """pix2z-full/1 and pix2z-published_full/1 are registered, nothing is promoted.

    The store is the test's own; the artifacts are those of `registered`, which nobody alters.
    """
    take_over_store(registered, root)
    return open_store()


@pytest.fixture
def decide() -> Callable[[Store, str], Decision]:
    """Return a decision that passed, against today's champion."""

    def passed(store: Store, model: str) -> Decision:
        versions = read_versions(store.client)
        checks = (Check("champion", "CRPS", "0.01", "at most 0.02", True, {"value": 0.01}),)
        metrics = {"crps": 0.01, "mae": 0.02, "pit_ks": 0.03}
        champion = with_alias(versions, CHAMPION)
        return Decision(find_version(versions, model), champion, checks, metrics)

    return passed


@pytest.fixture
def aliases(store) -> Callable[[], dict[str, str]]:
    """Return the aliases of `pix2z` -> version."""
    return lambda: dict(store.client.get_registered_model("pix2z").aliases)


@pytest.fixture
def dump(tmp_path: Path) -> Callable[[], list[str]]:
    """Return the whole store as SQL, and promotions.json."""

    def everything() -> list[str]:
        file = tmp_path / "promotions.json"
        with sqlite3.connect(tmp_path / "mlflow.db") as connection:
            return [*connection.iterdump(), file.read_text() if file.exists() else ""]

    return everything


@pytest.fixture(scope="session")
def made(tmp_path_factory, empty_database, sample_path, sample_split, trained_pool) -> Path:
    """A folder with galaxies, split, parameters and a store that holds pix2z-full and -clipped.

    What they predict is also in predictions/ of the folder.
    """
    folder = tmp_path_factory.mktemp("made")
    (folder / "data/splits").mkdir(parents=True)
    shutil.copy(empty_database, folder / "mlflow.db")
    shutil.copy(sample_path, folder / "data/galaxies.h5")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    preset = yaml.safe_load((ROOT / "presets/miniature.yaml").read_text())
    arms = {name: params["arms"][name] for name in TEMPERATURES}
    params = merge(params | {"arms": arms}, {"promotion": preset["promotion"]}, path="")
    params["evaluate"]["n_bootstrap"] = 200
    params["promotion"]["margin"] = 0.03
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "dvc.yaml").touch()
    from pix2z.network.estimator import load_pool
    from pix2z.network.pool import save_pool
    from pix2z.network.predictions import write_pool_predictions

    with pytest.MonkeyPatch.context() as patched, open_galaxies(sample_path) as galaxies:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setenv("DVC_ROOT", str(folder))
        digest = ids_digest(galaxies.column("object_id", sample_split.test))
        split = replace(sample_split, test_digest=digest)
        write_split(folder / "data/splits/full.h5", split, seed=1, n_galaxies=800)
        store = open_store()
        for arm, temperature in TEMPERATURES.items():
            shutil.copytree(trained_pool, folder / "models" / arm)
            save_pool(folder / "models" / arm, ["seed-1", "seed-2"], Temperature(temperature))
            pool = load_pool(folder / "models" / arm)
            predicted = folder / "predictions" / arm
            write_pool_predictions(predicted, pool, galaxies, split)
            record = RunRecord(
                key=pool.digest,
                experiment=TRAININGS,
                name=f"{arm}, pool",
                description="",
                started=0.0,
                tags={"stage": "train", "arm": arm, "test_digest": digest},
                params={"grid.z_min": "0.0", "grid.z_max": "0.4", "n_train": "440"},
                artifacts=dict.fromkeys(predicted.iterdir(), "predictions"),
            )
            model = TrainedModel(
                name=f"pix2z-{arm}",
                form=POOL,
                folder=folder / "models" / arm,
                digest=pool.digest,
                runs=(record,),
            )
            ensure_models(store, [model], code_tags={})
    return folder


@pytest.fixture
def world(made, tmp_path, monkeypatch) -> Path:
    """Such a folder of the test's own; artifacts are those of `made`."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    take_over_store(made, tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(made / name, tmp_path / name)
    shutil.copytree(made / "data", tmp_path / "data")
    return tmp_path


@pytest.fixture
def unserved(monkeypatch) -> None:
    """Take for granted that versions can be served: that costs a process each."""
    passed = Check("served", "Served model", "taken for granted", "", True)
    monkeypatch.setattr(judgement, "smoke_test", lambda *_, **__: passed)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command; return its exit code, and what it said on stdout and stderr."""

    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["pix2z", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture
def altered(world, made):
    """Give the store artifacts of its own; return those of the run and of the model of full."""
    own_artifacts(made, world)
    client = open_store().client
    model = Path(client.get_model_version_download_uri("pix2z-full", "1"))
    run = client.get_run(client.get_model_version("pix2z-full", "1").run_id)
    predictions = Path(run.info.artifact_uri.removeprefix("file://")) / "predictions"
    assert all(path.is_relative_to(world) for path in (model, predictions))
    return predictions, model
