import json
import sqlite3

import pytest
import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base


def test_a_healthy_repository_has_no_faults(clinic):
    assert clinic.faults() == {}
    assert clinic.notes() == {"DVC has no remote"}


def missing(database):
    database.unlink()


def empty(database):
    database.write_bytes(b"")


def half_made(database):
    database.unlink()
    engine = sqlalchemy.create_engine(f"sqlite:///{database}")
    Base.metadata.create_all(engine)
    engine.dispose()


def damaged(database):
    database.write_text("not a database\n" * 100)


def newer(database):
    with sqlite3.connect(database) as opened:
        opened.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")


@pytest.mark.parametrize(
    ("strike", "what"),
    [
        (missing, "the store is missing"),
        (empty, "the store is empty"),
        (half_made, "the store is half made"),
        (damaged, "the store cannot be read"),
        (newer, "the store has the schema of a newer MLflow"),
    ],
)
def test_a_store_that_cannot_be_opened_is_filled_anew(clinic, healthy, pix2z, strike, what):
    database = healthy / "mlflow.db"
    strike(database)
    struck = database.read_bytes() if database.exists() else None
    faults = clinic.faults()
    assert list(faults) == [what]
    assert (database.read_bytes() if database.exists() else None) == struck  # only looked at
    clinic.run(faults[what], stages=True)
    code, said = pix2z(healthy, "doctor", "--json")
    assert (code, json.loads(said)["well"]) == (0, True)
    assert column(database, "SELECT name FROM model_versions") == ["pix2z-full"]
    if strike in (half_made, damaged, newer):
        assert (healthy / "mlflow.db.set-aside/mlflow.db").read_bytes() == struck


def column(database, query):
    with sqlite3.connect(database) as opened:
        return [row[0] for row in opened.execute(query)]


def test_a_second_broken_store_does_not_replace_the_first_that_was_set_aside(clinic, healthy):
    for content in ("first\n", "second\n"):
        (healthy / "mlflow.db").write_text(content * 100)
        (command,) = clinic.faults().values()
        clinic.run(command.removesuffix(" && dvc repro -s register"))
    assert (healthy / "mlflow.db.set-aside/mlflow.db").read_text().startswith("first")
    assert (healthy / "mlflow.db.set-aside-2/mlflow.db").read_text().startswith("second")


def test_an_older_schema_is_upgraded_and_keeps_its_runs(clinic, healthy, pix2z):
    database = healthy / "mlflow.db"
    database.unlink()
    url = f"sqlite:///{database}"
    config = _get_alembic_config(url)
    before_last = list(ScriptDirectory.from_config(config).walk_revisions())[1].revision
    engine = sqlalchemy.create_engine(url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, before_last)
        connection.execute(
            sqlalchemy.text(
                "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
                "workspace) VALUES (7, 'mine', '/somewhere', 'active', 'default')"
            )
        )
    engine.dispose()
    faults = clinic.faults()
    assert list(faults) == ["the store has the schema of an older MLflow"]
    clinic.run(*faults.values())
    code, said = pix2z(healthy, "doctor", "--json")
    whats = [found["what"] for found in json.loads(said)["findings"] if found["is_fault"]]
    assert whats == ["the store is fresh: it holds no version of the trained arms"]
    assert code == 1
    assert "mine" in column(database, "SELECT name FROM experiments")
