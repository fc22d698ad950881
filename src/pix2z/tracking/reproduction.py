"""How a version is made again: commands, what they cannot restore, and the digests to expect."""

import configparser
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pix2z.tracking.code_differences import (
    ChangedFile,
    ChangedParameter,
    changed_code,
    changed_parameters,
    read_blob,
)
from pix2z.tracking.finetuned import run_prefix
from pix2z.tracking.lineage import git_output
from pix2z.tracking.models import FINETUNED
from pix2z.tracking.version_lineage import VersionLineage

__all__ = ["Recipe", "arm_recipe", "finetuned_recipe"]


@dataclass(frozen=True)
class Recipe:
    """How one version is made again."""

    version: str
    remarks: tuple[str, ...]
    """What a person has to know, such as changes that were never committed."""
    commands: tuple[str, ...]
    """For a shell, in the root of this repository."""
    expected: Mapping[str, str]
    """File -> digest with its kind, as it should then be."""


def arm_recipe(found: VersionLineage, *, root: Path) -> Recipe:
    """Say how an arm is trained again, from the state of code and data that was recorded."""
    remarks, commands = _checkout(found, root)
    if found.preset:
        place = f"build/{found.preset}"
        commands += [f"pix2z workspace {place} --preset {found.preset}", f"cd {place}"]
    if found.commit and found.stages:
        parameters = changed_parameters(found.stages, found.commit, preset=found.preset, root=root)
        remarks += _parameter_words(parameters)
        commands += _parameter_commands(parameters)
    stage = found.stage or f"train@{found.arm}"
    if pulled := _pulled(found, root):
        # Only this stage, and though DVC may know its outputs: it is to be trained again.
        commands += [shlex.join(["dvc", "pull", *pulled]), f"dvc repro -f -s {stage}"]
    else:
        raw_words, raw_commands = _raw(found, root)
        remarks += raw_words
        commands += [*raw_commands, f"dvc repro {stage}"]
    return _with_digests(found, f"models/{found.arm}", remarks, commands)


def finetuned_recipe(
    found: VersionLineage, *, base: str | None, file: str, layout: str | None, root: Path
) -> Recipe:
    """Say how a fine-tuned model is made again.

    Parameters
    ----------
    base : version of the pool that it went on from; None where the registry has it no more.
    file, layout : of the galaxies it was tuned on.
    """
    remarks, commands = _checkout(found, root)
    name = found.arm.removeprefix(run_prefix(""))
    if base is None:
        remarks.append(
            f"the pool {found.base_pool_digest} that it went on from is not in the registry"
        )
    if found.commit:
        remarks.append(f"in the new checkout, {file} has to be there as it was")
    options = {"--name": name, "--model": f"models:/{base}" if base else None, "--layout": layout}
    words = [word for key, value in options.items() if value for word in (key, value)]
    commands.append(shlex.join(["pix2z", "finetune", file, *words]))
    return _with_digests(found, f"{FINETUNED}/{name}", remarks, commands)


def _with_digests(
    found: VersionLineage, folder: str, remarks: Sequence[str], commands: Sequence[str]
) -> Recipe:
    """Add the command that shows the digests of the weights, and what it has to show."""
    weights = {f"{folder}/{m}/weights.weights.h5": f"sha256:{d}" for m, d in found.weights.items()}
    return Recipe(
        version=found.version,
        remarks=tuple(remarks),
        commands=(*commands, shlex.join(["sha256sum", *weights])),
        expected={**_expected_data(found), **weights},
    )


def _checkout(found: VersionLineage, root: Path) -> tuple[list[str], list[str]]:
    """Remarks on the code, and the commands that put it into a folder of its own."""
    commit = found.commit
    if not commit:
        return [
            "the commit was not recorded: it was made outside git; this is for any checkout"
        ], []
    if git_output(root, "cat-file", "-t", commit) != "commit":
        return [f"commit {commit} is not in this repository; `git fetch --all` may bring it"], []
    changed = changed_code(found.stages, commit, root=root)
    place = f"../pix2z-{commit[:10]}"
    commands = [
        f"git worktree add --detach {place} {commit}",
        f"cd {place}",
        *(_copy(root / file.path, file.path) for file in changed if file.is_here),
        "make .venv/.core",
        'export PATH="$PWD/.venv/bin:$PATH"',
    ]
    return _code_words(found, changed), commands


def _copy(source: Path, target: str) -> str:
    flags = ["-rT"] if source.is_dir() else []
    return shlex.join(["cp", *flags, str(source), target])


def _code_words(found: VersionLineage, changed: Sequence[ChangedFile]) -> list[str]:
    if not found.stages:
        state = {True: "there were changes that were not committed", False: "it was clean"}
        known = state.get(found.dirty) if found.dirty is not None else None
        return [f"of commit {found.commit}, {known or 'whether it was clean is not recorded'}"]
    if not changed and found.dirty:
        return [
            f"commit {found.commit} was not clean, but every file of code that made this version "
            "is as committed"
        ]
    if not changed:
        return [f"commit {found.commit}, clean: every file of code that made this version is in it"]
    words = [
        f"commit {found.commit} was not clean: it alone does not give this version, since "
        f"{len(changed)} files of code were not as committed"
    ]
    for file in changed:
        where = "it is here, and is copied" if file.is_here else "that content is not here any more"
        words.append(f"{file.path}: {where}")
    return words


def _parameter_words(parameters: Sequence[ChangedParameter]) -> list[str]:
    return [f"{p.key} was {json.dumps(p.value)}, not as committed" for p in parameters]


def _parameter_commands(parameters: Sequence[ChangedParameter]) -> list[str]:
    """One command that writes the values into params.yaml; none for no values."""
    if not parameters:
        return []
    sets = [
        "p" + "".join(f"[{part!r}]" for part in p.key.split(".")) + f" = {p.value!r}"
        for p in parameters
    ]
    lines = [
        "import yaml, pathlib",
        "f = pathlib.Path('params.yaml')",
        "p = yaml.safe_load(f.read_text())",
        *sets,
        "f.write_text(yaml.safe_dump(p, sort_keys=False))",
    ]
    return [shlex.join(["python", "-c", "; ".join(lines)])]


def _raw(found: VersionLineage, root: Path) -> tuple[list[str], list[str]]:
    """Where a raw file comes from that no stage makes: in words, and copied where it is here."""
    path = _raw_path(found)
    if path is None:
        return [], []
    digests = ", ".join(found.data.get(path, ()))
    words = f"{path} ({digests}) is not made by the pipeline; it is {found.raw.get('source', '?')}"
    if not (root / path).is_file():
        return [f"{words}; put it there first"], []
    folder = Path(path).parent
    return [words], [f"mkdir -p {shlex.quote(str(folder))}", _copy(root / path, path)]


def _raw_path(found: VersionLineage) -> str | None:
    """Return the raw file where no stage makes it."""
    deps = found.stages.get("ingest", {}).get("deps", ())
    raw = next((dep["path"] for dep in deps if not dep["path"].startswith("src/")), None)
    made = {out["path"] for entry in found.stages.values() for out in entry.get("outs", ())}
    return None if raw in made else raw


def _pulled(found: VersionLineage, root: Path) -> list[str]:
    """List what the stage reads that a remote has; empty unless the commit knows all of it."""
    if not found.commit or found.preset or not found.stages:
        return []
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(read_blob(found.commit, ".dvc/config", root).decode())
    lock = read_blob(found.commit, "dvc.lock", root).decode()
    read = {dep["path"]: dep["md5"] for dep in _train_deps(found) if _is_data(dep["path"])}
    has_remote = bool(config.get("core", "remote", fallback=""))
    return sorted(read) if has_remote and all(md5 in lock for md5 in read.values()) else []


def _train_deps(found: VersionLineage) -> Sequence[Mapping[str, str]]:
    deps: Sequence[Mapping[str, str]] = found.stages.get(found.stage or "", {}).get("deps", ())
    return deps


def _is_data(path: str) -> bool:
    return path.startswith("data/")


def _expected_data(found: VersionLineage) -> dict[str, str]:
    """Return digests of the data, and of the best settings of tuning."""
    settings = {
        dep["path"]: f"md5:{dep['md5']}"
        for dep in _train_deps(found)
        if dep["path"].startswith("reports/")
    }
    return {path: digests[-1] for path, digests in found.data.items() if digests} | settings
