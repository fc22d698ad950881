"""Commands that several findings propose."""

import shlex
from collections.abc import Iterable
from pathlib import Path

import yaml

__all__ = ["register_command", "set_aside_command", "shell"]


def shell(*words: str | Path) -> str:
    """Return words as a command for a shell."""
    return shlex.join(str(word) for word in words)


def register_command(root: Path) -> str:
    """Return what registers the files that are here.

    The stage alone, where all that it reads is here; else with the stages before it, which may
    train.
    """
    alone = all((root / path).exists() for path in _register_deps(root))
    return "dvc repro -s register" if alone else "dvc repro register"


def _register_deps(root: Path) -> list[str]:
    try:
        stages = yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))["stages"]
        deps: list[str] = stages["register"].get("deps", [])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return []
    return deps


def set_aside_command(database: Path, *, root: Path) -> str:
    """Return what moves a database away, with the files that SQLite keeps beside it."""
    beside = (database.with_name(database.name + end) for end in ("", "-journal", "-wal", "-shm"))
    place = _free(database.with_name(f"{database.name}.set-aside"))
    files = [_below(path, root) for path in beside if path.exists()]
    return f"{shell('mkdir', _below(place, root))} && {shell('mv', *files, _below(place, root))}"


def _free(place: Path) -> Path:
    numbered = (place.with_name(f"{place.name}-{n}") for n in range(2, 1000))
    return next(path for path in _chain(place, numbered) if not path.exists())


def _chain(first: Path, rest: Iterable[Path]) -> Iterable[Path]:
    yield first
    yield from rest


def _below(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
