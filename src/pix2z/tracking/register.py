"""Bring the tracking store in step with the files: each run and each version exactly once.

Everything is found again by digest, so a second call costs a few searches, and a store that was
lost is made anew by one call. Files are only read.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pix2z.config.arms import SPECTRUM_MODEL, Arm
from pix2z.errors import InputError, Pix2zError
from pix2z.files import file_digest
from pix2z.tracking.commits import code_tags, commit_with_output
from pix2z.tracking.comparisons import assessment_run, comparison_run
from pix2z.tracking.experiments import COMPARISONS, SPECTRA, TUNING
from pix2z.tracking.live import end_abandoned
from pix2z.tracking.packaging import ensure_versions, form_of
from pix2z.tracking.pools import read_arm, read_finetuned
from pix2z.tracking.promotion.restoring import restore_aliases
from pix2z.tracking.runs import ensure_runs
from pix2z.tracking.spectrum_networks import REPORT, known_spectrum_models, read_spectrum_network
from pix2z.tracking.store import Store, locked, open_store, reason, shown_uri
from pix2z.tracking.studies import study_runs
from pix2z.tracking.trainings import TrainedModel, shared_tags

__all__ = ["ensure_models", "register", "register_finetuned", "register_study"]

LOG = logging.getLogger(__name__)

_digest_once = lru_cache(file_digest)
"""A study is registered after each of its trials, and its galaxies may be many."""


def register(root: Path, arms: Mapping[str, Arm], spectrum_arms: Iterable[str] = ()) -> None:
    """Register tuning, trained arms, fine-tuned models, the comparison and spectrum networks.

    Then aliases of production are restored in a store that has none. An arm without its pool.json
    or, of `spectrum_arms`, its spectrum.json and a fine-tuning without report.json are passed over.

    Raises
    ------
    InputError, IntegrityError
        A file cannot be read, or a spectrum network is not the one that was saved; what was read
        before it is registered.
    Pix2zError
        The store cannot be written; the same call can be repeated.
    """
    with _writing() as store:
        code = code_tags(root)
        present = [n for n in arms if (root / "models" / n / "pool.json").exists()]
        trained = [read_arm(root, name, arms[name]) for name in present]
        data = shared_tags(trained)
        if (root / "reports/tuning/trials.json").exists():
            commit = commit_with_output(root, "reports/tuning")
            trials = study_runs(root / "reports/tuning", data, commit=commit)
            ensure_runs(store, TUNING, trials, code_tags=code)
        ensure_models(store, [*trained, *_finetuned(root)], code_tags=code)
        if (root / "reports/compare.json").exists():
            comparison = comparison_run(root, data)
            ensure_runs(store, COMPARISONS, [comparison], code_tags=code)
        n_networks = _register_networks(store, root, spectrum_arms, code)
        restore_aliases(store, root)
    LOG.info("%d arms are registered in %s", len(trained) + n_networks, shown_uri(store.uri))


def register_finetuned(folder: Path, *, root: Path) -> str:
    """Register the fine-tuned model in `folder`, and return its URI in the registry.

    Raises
    ------
    InputError
        A file of it cannot be read.
    Pix2zError
        The store cannot be written; the same call can be repeated.
    """
    model = read_finetuned(folder)
    with _writing() as store:
        (version,) = ensure_models(store, [model], code_tags=code_tags(root))
    return f"models:/{model.name}/{version}"


def register_study(folder: Path, *, name: str, galaxies: str, root: Path) -> None:
    """Make the store show a study of `pix2z tune` as its files in `folder` tell it.

    Parameters
    ----------
    name : the same name is the same run, however many trials the study has by now.
    galaxies : path of the file that it was trained on, below `root`.

    Raises
    ------
    Pix2zError
        The store cannot be written; the same call can be repeated.
    """
    tags = {"galaxies_digest": f"sha256:{_digest_once(root / galaxies)}"}
    records = study_runs(folder, tags, study_name=name)
    with _writing() as store:
        ensure_runs(store, TUNING, records, code_tags=code_tags(root))


@contextmanager
def _writing() -> Iterator[Store]:
    """Open the store for one registration at a time; what fails in it is one line."""
    try:
        store = open_store()
        with locked(store, "register"):
            yield store
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise Pix2zError(f"MLflow's store cannot be written ({reason(error)})") from error


def _finetuned(root: Path) -> list[TrainedModel]:
    """Read every fine-tuned model that is whole."""
    models = []
    for report in sorted(root.glob("finetuned/*/report.json")):
        try:
            models.append(read_finetuned(report.parent))
        except InputError as error:
            LOG.warning("not registered: %s", error)
    return models


def _register_networks(
    store: Store, root: Path, arms: Iterable[str], code: Mapping[str, str]
) -> int:
    """Register spectrum networks and their assessment; return how many networks there are."""
    present = known_spectrum_models(root)
    networks = [read_spectrum_network(root, name) for name in arms if name in present]
    if not networks:
        return 0
    ensure_models(store, networks, code_tags=code)
    _ensure_arm_aliases(store, [network.owner.tags["arm"] for network in networks])
    if (root / REPORT).exists():
        assessment = assessment_run(root, shared_tags(networks))
        ensure_runs(store, SPECTRA, [assessment], code_tags=code)
    return len(networks)


def ensure_models(
    store: Store, models: Sequence[TrainedModel], *, code_tags: Mapping[str, str]
) -> list[str]:
    """Register every training and version of models of one kind; return the versions' numbers.

    Parameters
    ----------
    code_tags : state of the code, for what is not committed yet.
    """
    if not models:
        return []
    experiment = form_of(models[0]).experiment
    records = [run for model in models for run in model.runs]
    runs = ensure_runs(store, experiment, records, code_tags=code_tags)
    trainings = [record for record in records if record.training_key]
    end_abandoned(store, trainings, experiment=experiment)
    return ensure_versions(store, models, [runs[model.owner.key] for model in models])


def _ensure_arm_aliases(store: Store, arms: Sequence[str]) -> None:
    """Let the alias of each spectrum arm be on its newest version."""
    client = store.client
    aliases = client.get_registered_model(SPECTRUM_MODEL).aliases
    versions = client.search_model_versions(f"name = '{SPECTRUM_MODEL}'")
    for arm in arms:
        newest = max(int(v.version) for v in versions if v.tags.get("arm") == arm)
        if str(aliases.get(arm)) != str(newest):
            client.set_registered_model_alias(SPECTRUM_MODEL, arm, str(newest))
