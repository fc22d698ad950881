"""The SQLite file of a store: missing, empty, half made, damaged, or of another schema."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import mlflow
from alembic.script import ScriptDirectory

from pix2z.tracking.doctor.commands import register_command, set_aside_command, shell
from pix2z.tracking.doctor.finding import Finding

__all__ = ["check_store_file", "read_only"]

_MIGRATIONS = Path(mlflow.__file__).parent / "store/db_migrations"


def check_store_file(database: Path, *, root: Path) -> list[Finding]:
    """Find what keeps MLflow from opening the file; it is opened for reading only."""
    where, register = str(database), register_command(root)
    if not database.is_file():
        why = "nothing is registered; the command makes it and fills it from the files"
        return [Finding("the store is missing", where, why, register)]
    again = f"{set_aside_command(database, root=root)} && {register}"
    try:
        with closing(read_only(database)) as opened:
            tables = _column(opened, "SELECT name FROM sqlite_master WHERE type = 'table'")
            damage = _column(opened, "PRAGMA quick_check(1)")
            if not tables:
                why = "no run was ever tracked in it; the command fills it from the files"
                return [Finding("the store is empty", where, why, register)]
            if damage != ["ok"]:
                return [_damaged(where, damage[0], again)]
            revision = _revision(opened, tables)
            has_content = "experiments" in tables and bool(
                _column(opened, "SELECT 1 FROM experiments LIMIT 1")
            )
    except sqlite3.DatabaseError as error:
        return [_damaged(where, str(error), again)]
    return _schema(database, revision, has_content=has_content, again=again)


def read_only(database: Path) -> sqlite3.Connection:
    """Open an SQLite file for reading only."""
    return sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)


def _column(opened: sqlite3.Connection, query: str) -> list[str]:
    return [row[0] for row in opened.execute(query)]


def _revision(opened: sqlite3.Connection, tables: list[str]) -> str:
    """Return the revision of the schema; empty where the file has none."""
    if "alembic_version" not in tables:
        return ""
    return next(iter(_column(opened, "SELECT version_num FROM alembic_version")), "")


def _damaged(where: str, reason: str, again: str) -> Finding:
    return Finding(
        "the store cannot be read",
        where,
        f"{reason}; the command keeps it aside and fills a new one from the files. Aliases and the "
        "history of promotions are in no file: they stay in the one set aside",
        again,
    )


def _schema(database: Path, revision: str, *, has_content: bool, again: str) -> list[Finding]:
    where = str(database)
    scripts = ScriptDirectory(str(_MIGRATIONS))
    if not has_content:
        return [
            Finding(
                "the store is half made",
                where,
                "a process was killed while it made the tables; MLflow cannot go on from there. "
                "Nothing was tracked in it yet",
                again,
            )
        ]
    if revision == scripts.get_current_head():
        return []
    if revision in {script.revision for script in scripts.walk_revisions()}:
        return [
            Finding(
                "the store has the schema of an older MLflow",
                f"{where}, revision {revision}",
                "MLflow refuses to open it; make a copy first",
                shell("mlflow", "db", "upgrade", f"sqlite:///{database}"),
            )
        ]
    return [
        Finding(
            "the store has the schema of a newer MLflow",
            f"{where}, revision {revision or 'none'}",
            f"MLflow {mlflow.__version__} refuses to open it; the MLflow that wrote it would. The "
            "command keeps it aside and fills a new one from the files, without aliases and the "
            "history of promotions, which are in no file",
            again,
        )
    ]
