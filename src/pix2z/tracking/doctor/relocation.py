"""A store that was moved or copied with its repository: MLflow keeps absolute paths of artifacts.

No function of MLflow changes them, so `relocate` writes to the SQLite file: the paths of
experiments, runs, logged models and versions, all in one transaction, after a copy was made. Ids,
metrics, tags, aliases and the history of promotions stay as they are; a new store, filled from the
files, would have none of the last two.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient

from pix2z.errors import Pix2zError
from pix2z.tracking.doctor.finding import Finding, mend_command
from pix2z.tracking.store import EXPERIMENTS

__all__ = ["ARTIFACT_PATHS", "check_place", "relocate"]

ARTIFACT_PATHS = "artifact-paths"
"""Name of the fault."""

_PATHS = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""Table -> columns with the place of artifacts."""


def check_place(client: MlflowClient, database: Path) -> list[Finding]:
    """Find artifact paths that do not lie beside the SQLite file."""
    homes = sorted({str(home) for home in _homes(client) if home != database.parent})
    if not homes:
        return []
    gone = [home for home in homes if not Path(home).exists()]
    if gone:
        what = "the repository was moved"
        why = "figures and models are looked for where they are not: nothing can be loaded"
    else:
        what = "the store is a copy of another repository's"
        why = "figures and models would be read from, and written into, the other repository"
    return [
        Finding(
            what,
            f"{database} says that its artifacts are in {' and '.join(gone or homes)}",
            f"{why}; the command puts this folder into the paths and keeps a copy of the file",
            mend_command(ARTIFACT_PATHS),
            ARTIFACT_PATHS,
        )
    ]


def _homes(client: MlflowClient) -> set[Path]:
    """Folders that held the SQLite file when experiments were made."""
    found = set()
    for experiment in client.search_experiments():
        location = Path(experiment.artifact_location.removeprefix("file://"))
        is_ours = experiment.name in EXPERIMENTS and location.is_absolute()
        if is_ours and location.parts[-2:] == ("mlruns", experiment.name):
            found.add(location.parent.parent)
    return found


def relocate(client: MlflowClient, database: Path) -> str:
    """Write the folder of the SQLite file into the paths of artifacts; say what was done."""
    homes = sorted(str(home) for home in _homes(client) if home != database.parent)
    kept = database.with_name(f"{database.name}.before-relocation")
    try:
        with closing(sqlite3.connect(database)) as opened:
            with closing(sqlite3.connect(kept)) as copy:
                opened.backup(copy)
            with opened:
                changed = sum(_replace(opened, home, str(database.parent)) for home in homes)
    except sqlite3.Error as error:
        raise Pix2zError(f"{database}: cannot be changed ({error}); it is as it was") from error
    return f"{changed} paths now lie in {database.parent}; the former file is {kept}"


def _replace(opened: sqlite3.Connection, home: str, new_home: str) -> int:
    """Replace the start of every path below ``home/mlruns``; return how many there were."""
    changed = 0
    for table, columns in _PATHS.items():
        for column in columns:
            for scheme in ("", "file://"):
                start = f"{scheme}{home}/mlruns"
                done = opened.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (f"{scheme}{new_home}/mlruns", len(start) + 1, len(start) + 1, f"{start}/"),
                )
                changed += done.rowcount
    return changed
