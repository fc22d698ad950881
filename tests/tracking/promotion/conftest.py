"""Registered versions to promote.

`store` holds versions of made-up pools, which need no TensorFlow; `world` is a folder with galaxies
and a store that holds real networks, untrained, and `run` runs commands in it.
"""

import runpy
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pix2z import cli
from pix2z.cli.workspace import merge
from pix2z.config.networks import HybridConfig
from pix2z.dataset.splits import ids_digest, write_split
from pix2z.dataset.store import open_galaxies
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.tracking.packaging import ModelRecord, ensure_versions
from pix2z.tracking.promotion import judgement
from pix2z.tracking.promotion.gate import Check
from pix2z.tracking.promotion.proposal import Proposal
from pix2z.tracking.store import Store, open_store
from tests.tracking.conftest import take_over_store


@pytest.fixture
def store(root, registered) -> Store:
    """pix2z-full/1 and pix2z-published_full/1 are registered, nothing is promoted.

    The store is the test's own; the artifacts are those of `registered`, which nobody alters.
    """
    take_over_store(registered, root)
    return open_store()


@pytest.fixture
def propose_it(store) -> Callable[[str], Proposal]:
    """Return a proposal that passed, against today's champion."""
    proposed = runpy.run_path(str(Path(__file__).with_name("processes.py")))["proposed"]
    return lambda model: proposed(store, model)


@pytest.fixture
def aliases(store) -> Callable[[], dict[str, str]]:
    """Return the aliases of `pix2z` -> version."""
    return lambda: dict(store.client.get_registered_model("pix2z").aliases)


@pytest.fixture
def dump(tmp_path: Path) -> Callable[[], list[str]]:
    """Return the whole store as SQL."""

    def everything() -> list[str]:
        with sqlite3.connect(tmp_path / "mlflow.db") as connection:
            return list(connection.iterdump())

    return everything


ROOT = Path(__file__).parents[3]
GRID = RedshiftGrid(0.0, 0.4, 40)
# The calibration tells them apart: full is the better one, clipped is far too sure of itself.
TEMPERATURES = {"full": 1.0, "clipped": 0.05}


def make_pool(folder: Path, temperature: float) -> str:
    """Save two hybrids with fresh weights; return the digest of the pool."""
    import keras

    from pix2z.network.estimator import Member, load_pool, save_member, save_pool
    from pix2z.network.recipes import hybrid_model
    from pix2z.redshift_pdf.calibration import Temperature

    settings = HybridConfig.read(ROOT / "params.yaml").model_copy(
        update={"trunk_filters": (4,), "dense_units": (8,)}
    )
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        member = Member(
            architecture="hybrid",
            model=hybrid_model(settings, grid=GRID),
            grid=GRID,
            settings=settings.model_dump(mode="json"),
            record={"seed": seed},
            calibration=Temperature(temperature),
        )
        save_member(folder / f"seed-{seed}", member)
    save_pool(folder, ["seed-1", "seed-2"], Temperature(temperature))
    return load_pool(folder).digest


@pytest.fixture(scope="session")
def made(tmp_path_factory, empty_database, sample_path, sample_split) -> Path:
    """A folder with galaxies, split, parameters and a store that holds pix2z-full and -clipped."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "data/splits").mkdir(parents=True)
    shutil.copy(empty_database, folder / "mlflow.db")
    shutil.copy(sample_path, folder / "data/galaxies.h5")
    with open_galaxies(sample_path) as galaxies:
        digest = ids_digest(galaxies.column("object_id", sample_split.test))
    split = replace(sample_split, test_digest=digest)
    write_split(folder / "data/splits/full.h5", split, seed=1, n_galaxies=800)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    preset = yaml.safe_load((ROOT / "presets/miniature.yaml").read_text())
    arms = {name: params["arms"][name] for name in TEMPERATURES}
    params = merge(params | {"arms": arms}, {"promotion": preset["promotion"]}, path="")
    params["evaluate"]["n_bootstrap"] = 200
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "dvc.yaml").touch()
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setenv("DVC_ROOT", str(folder))
        store = open_store()
        for arm, temperature in TEMPERATURES.items():
            run = store.client.create_run(store.experiments["pix2z-train"])
            pool = folder / "models" / arm
            record = ModelRecord(
                name=f"pix2z-{arm}",
                model_description="",
                folder=pool,
                members=("seed-1", "seed-2"),
                digest=make_pool(pool, temperature),
                run_id=run.info.run_id,
                card="",
                tags={"arm": arm, "test_digest": digest},
            )
            ensure_versions(store, [record])
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
    monkeypatch.setattr(judgement, "_served", lambda *_: passed)


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
def own_model(world, made) -> Path:
    """The folder of pix2z-full/1, the test's own."""
    shutil.copytree(made / "mlruns", world / "mlruns")
    with sqlite3.connect(world / "mlflow.db") as connection:
        moved = "UPDATE model_versions SET storage_location = replace(storage_location, ?, ?)"
        connection.execute(moved, (str(made), str(world)))
    folder = Path(open_store().client.get_model_version_download_uri("pix2z-full", "1"))
    assert folder.is_relative_to(world)
    return folder
