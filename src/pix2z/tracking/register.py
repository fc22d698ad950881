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
from pix2z.tracking.comparisons import assessment_runs, comparison_runs
from pix2z.tracking.live import end_abandoned
from pix2z.tracking.packaging import ensure_versions
from pix2z.tracking.pools import read_arm, read_finetuned
from pix2z.tracking.promotion.restoring import restore_aliases
from pix2z.tracking.records import RunRecord
from pix2z.tracking.runs import ensure_runs
from pix2z.tracking.spectrum_networks import SPECTRUM_MODELS, read_spectrum_network
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
    tuning = "reports/tuning"
    with _writing() as store:
        code = code_tags(root)
        whole = [name for name in arms if (root / "models" / name / "pool.json").exists()]
        commit = commit_with_output(root, "models") if whole else ""
        trained = [read_arm(root, name, arms[name], commit=commit) for name in whole]
        data = shared_tags(trained)
        study = study_runs(root / tuning, data, commit=commit_with_output(root, tuning))
        reports = [*study, *comparison_runs(root, data)]
        ensure_models(store, [*trained, *_finetuned(root)], reports, code_tags=code)

        saved = {name: root / SPECTRUM_MODELS / name / "spectrum.json" for name in spectrum_arms}
        whole = [name for name, path in saved.items() if path.exists()]
        commit = commit_with_output(root, SPECTRUM_MODELS) if whole else ""
        networks = [read_spectrum_network(root, name, commit=commit) for name in whole]
        reports = assessment_runs(root, shared_tags(networks))
        ensure_models(store, networks, reports, code_tags=code)
        _ensure_arm_aliases(store, [network.owner.tags["arm"] for network in networks])
        restore_aliases(store, root)
    n_arms = len(trained) + len(networks)
    LOG.info("%d arms are registered in %s", n_arms, shown_uri(store.uri))


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
        ensure_runs(store, records, code_tags=code_tags(root))


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


def ensure_models(
    store: Store,
    models: Sequence[TrainedModel],
    reports: Sequence[RunRecord] = (),
    *,
    code_tags: Mapping[str, str],
) -> list[str]:
    """Register every training, every version and what compares them; return numbers of versions.

    Parameters
    ----------
    code_tags : state of the code, for what is not committed yet.
    """
    records = [run for model in models for run in model.runs]
    runs = ensure_runs(store, [*records, *reports], code_tags=code_tags)
    end_abandoned(store, (record for record in records if record.training_key))
    return ensure_versions(store, models, [runs[model.owner.key] for model in models])


def _ensure_arm_aliases(store: Store, arms: Sequence[str]) -> None:
    """Let the alias of each spectrum arm be on its newest version."""
    if not arms:
        return
    client = store.client
    aliases = client.get_registered_model(SPECTRUM_MODEL).aliases
    versions = client.search_model_versions(f"name = '{SPECTRUM_MODEL}'")
    for arm in arms:
        newest = max(int(v.version) for v in versions if v.tags.get("arm") == arm)
        if str(aliases.get(arm)) != str(newest):
            client.set_registered_model_alias(SPECTRUM_MODEL, arm, str(newest))
