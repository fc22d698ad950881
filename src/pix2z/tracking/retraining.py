"""A version trained again, to see whether its weights are what they are said to be."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pix2z.config.arms import Arm
from pix2z.config.networks import HybridConfig, PublishedCnnConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.training import ArmTraining
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError, IntegrityError
from pix2z.files import file_digest, read_json
from pix2z.tracking.finetuned import run_prefix
from pix2z.tracking.models import FINETUNED
from pix2z.tracking.promotion.measure import fetched_pool
from pix2z.tracking.promotion.versions import Version
from pix2z.tracking.store import Store
from pix2z.tracking.version_lineage import VersionLineage, artifact_text

__all__ = ["SCRATCH", "Place", "Retrained", "base_version", "finetune_report", "retrain"]

SCRATCH = ".partial-reproduce-"
"""Start of the name of the folder that a check trains in, in the root of the repository."""

Curves = Callable[[int], Callable[[int, dict[str, float]], None]]
"""Seed -> what to call with (epoch, losses) after each epoch."""


@dataclass(frozen=True)
class Retrained:
    """What came out of training a version again."""

    recorded: Mapping[str, str]
    """Network -> SHA-256 of its weights in the registry."""
    again: Mapping[str, str]
    """The same, of the weights that were trained now."""
    remarks: tuple[str, ...]
    """What was not as it was then, in words."""

    @property
    def different(self) -> list[str]:
        """Networks with other weights."""
        return [name for name, digest in self.recorded.items() if self.again.get(name) != digest]


@dataclass(frozen=True)
class Place:
    """Where a version is trained again."""

    store: Store
    versions: Sequence[Version]
    """All of the registry."""
    root: Path
    """Folder with data/ and finetuned/."""
    curves: Callable[[int], Curves]
    """Most epochs of one training -> what shows it."""


def retrain(place: Place, version: Version, found: VersionLineage) -> Retrained:
    """Train every network of a version again in a folder that is removed afterwards.

    The settings are those recorded with the version, code and libraries those of this checkout;
    data are taken from `place.root` where their digests are those recorded.

    Raises
    ------
    InputError
        Data, or the base of a fine-tuned model, are not here; the message says what is missing.
    IntegrityError
        The version's artifacts are gone or altered.
    """
    with fetched_pool(place.store, version) as pool, _scratch(place.root) as scratch:
        members = _members(pool, version)
        recorded = {name: str(member["weights_sha256"]) for name, member in members.items()}
        if found.weights and dict(found.weights) != recorded:
            raise IntegrityError(f"{version.label}: its weights are not those of its run's tags")
        if found.base_pool_digest:
            remarks = _tune(place, version, found, members, scratch)
        else:
            remarks = _train(place, version, members, scratch)
        again = {
            name: str(read_json(scratch / "pool" / name / "estimator.json")["weights_sha256"])
            for name in recorded
        }
    return Retrained(recorded, again, tuple(remarks))


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    with TemporaryDirectory(prefix=SCRATCH, dir=root) as folder:
        yield Path(folder)


def _members(pool: Path, version: Version) -> dict[str, Mapping[str, Any]]:
    """Read estimator.json of every network of a pool."""
    described = read_json(pool / "pool.json")
    if described.get("digest") != version.pool_digest:
        raise IntegrityError(f"{version.label}: its pool is not the one that was registered")
    return {name: read_json(pool / name / "estimator.json") for name in described["members"]}


def _train(
    place: Place, version: Version, members: Mapping[str, Mapping[str, Any]], scratch: Path
) -> list[str]:
    """Train an arm into ``scratch/pool``, as its stage does; return what was not as then."""
    from pix2z.network.training_inputs import train_from_files, training_inputs

    first = next(iter(members.values()))
    then = _recorded(first, "inputs", version)
    training = _training(members, then["settings"])
    galaxies = _same_file(place.root / "data/galaxies.h5", then["galaxies_sha256"], version)
    split = place.root / f"data/splits/{training.arm.selection}.h5"
    rows = _same_file(split, then["split_sha256"], version)
    inputs = training_inputs(training, galaxies=galaxies, rows=rows)
    train_from_files(
        inputs,
        galaxies=galaxies,
        rows=rows,
        models=scratch / "pool",
        checkpoints=scratch / "checkpoints",
        curve=place.curves(training.settings.epochs),
    )
    return _other_code(then)


def _other_code(then: Mapping[str, Any]) -> list[str]:
    """Say what of code and libraries is not as it was when a version was trained."""
    from pix2z.network.training_inputs import training_code

    now, words = training_code(), []
    if now["code"] != then["code_sha256"]:
        words.append("the code that trains is not the one that this version was trained with")
    if now["tensorflow"] != then["tensorflow"]:
        words.append(f"TensorFlow is {now['tensorflow']}; it was {then['tensorflow']}")
    return words


def _training(members: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]) -> ArmTraining:
    """Return how an arm was trained, from what its networks keep."""
    first = next(iter(members.values()))
    record = first["record"]
    arm = Arm(
        selection=record["selection"],
        architecture=first["architecture"],
        seeds=tuple(member["record"]["seed"] for member in members.values()),
    )
    config = HybridConfig if arm.architecture == "hybrid" else PublishedCnnConfig
    return ArmTraining(
        name=record["arm"],
        arm=arm,
        settings=config.model_validate(settings),
        pdf=PdfConfig.model_validate(first["grid"]),
    )


def _same_file(path: Path, sha256: str, version: Version) -> Path:
    """Return `path`; raise InputError where it is not the file that a version was made from."""
    how = f"`pix2z reproduce {version.label}` says how to make it again"
    if not path.is_file():
        raise InputError(f"{path}: is missing; expected the file of SHA-256 {sha256}; {how}")
    digest = file_digest(path)
    if digest != sha256:
        raise InputError(f"{path}: has SHA-256 {digest}; expected {sha256}; {how}")
    return path


def base_version(versions: Sequence[Version], found: VersionLineage) -> Version | None:
    """Return the version that holds the pool which a fine-tuned model went on from."""
    known = (version for version in versions if version.pool_digest == found.base_pool_digest)
    return next(known, None)


def finetune_report(store: Store, version: Version) -> Mapping[str, Any]:
    """Read report.json of a fine-tuned model; raise InputError where the store has it no more."""
    text = artifact_text(store, version.run_id, "report.json")
    if text is None:
        raise InputError(f"{version.label}: report.json is gone from its run {version.run_id}")
    report: Mapping[str, Any] = json.loads(text)
    return report


def _recorded(member: Mapping[str, Any], key: str, version: Version) -> Mapping[str, Any]:
    """Return what a network keeps of what it was trained from."""
    then: Mapping[str, Any] | None = member["record"].get(key)
    if then is None:
        raise InputError(
            f"{version.label}: does not say what it was trained from; networks trained by this "
            "version of pix2z do"
        )
    return then


def _tune(
    place: Place,
    version: Version,
    found: VersionLineage,
    members: Mapping[str, Mapping[str, Any]],
    scratch: Path,
) -> list[str]:
    """Fine-tune into ``scratch/pool``, as the command does; return what was not as then."""
    from pix2z.finetune.training import finetune_pool
    from pix2z.network.estimator import load_pool

    first = next(iter(members.values()))
    then = _recorded(first, "tuned_on", version)
    base = base_version(place.versions, found)
    if base is None:
        raise InputError(
            f"{version.label}: the pool {found.base_pool_digest} that it went on from is not in "
            "the registry"
        )
    folder = place.root / FINETUNED / found.arm.removeprefix(run_prefix(""))
    sample = _same_file(folder / "galaxies.h5", then["galaxies_sha256"], version)
    rows = _same_file(folder / "split.h5", then["split_sha256"], version)
    with fetched_pool(place.store, base) as pool, open_galaxies(sample) as galaxies:
        finetune_pool(
            load_pool(pool),
            galaxies,
            read_split(rows),
            **then["settings"],
            folder=scratch / "pool",
            checkpoints=scratch / "checkpoints",
            record=first["record"],
            curve=place.curves(then["settings"]["epochs"]),
        )
    return _other_code(then)
