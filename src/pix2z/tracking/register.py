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
from pix2z.tracking.arms import read_arm, read_finetuned
from pix2z.tracking.cards import render_card
from pix2z.tracking.comparisons import assessment_run, comparison_run
from pix2z.tracking.experiments import COMPARISONS, SPECTRA, TUNING
from pix2z.tracking.live import end_abandoned
from pix2z.tracking.packaging import ModelRecord, ensure_versions
from pix2z.tracking.promotion.restoring import restore_aliases
from pix2z.tracking.records import code_tags
from pix2z.tracking.runs import ensure_runs
from pix2z.tracking.served_forms import POOL, SPECTRUM
from pix2z.tracking.spectrum_networks import (
    REPORT,
    known_spectrum_models,
    read_spectrum_network,
)
from pix2z.tracking.store import Store, locked, open_store, reason, shown_uri
from pix2z.tracking.studies import study_runs
from pix2z.tracking.trainings import TrainedModel, shared_tags

__all__ = ["register", "register_finetuned", "register_study"]

LOG = logging.getLogger(__name__)

_digest_once = lru_cache(file_digest)
"""A study is registered after each of its trials, and its galaxies may be many."""

_FORMS = {"pool": POOL, "network": SPECTRUM}
_DATA = ("raw_digest", "galaxies_digest", "test_digest")
_SPECTRA_DATA = (*_DATA, "spectra_digest")
"""Tags that a comparison has from the models it compares, where they share them."""


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
        tags = shared_tags(trained, *_DATA)
        if (root / "reports/tuning/trials.json").exists():
            trials = study_runs(root / "reports/tuning", tags)
            ensure_runs(store, TUNING, trials, code_tags=code)
        _ensure_models(store, root, [*trained, *_finetuned(root)], code)
        if (root / "reports/compare.json").exists():
            comparison = comparison_run(root / "reports", tags)
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
        (version,) = _ensure_models(store, root, [model], code_tags(root))
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
    _ensure_models(store, root, networks, code)
    _ensure_arm_aliases(store, [network.owner.tags["arm"] for network in networks])
    if (root / REPORT).exists():
        record = assessment_run(root / REPORT, shared_tags(networks, *_SPECTRA_DATA))
        ensure_runs(store, SPECTRA, [record], code_tags=code)
    return len(networks)


def _ensure_models(
    store: Store, root: Path, models: Sequence[TrainedModel], code: Mapping[str, str]
) -> list[str]:
    """Register every training and every model of one kind; return the numbers of the versions."""
    if not models:
        return []
    form = _FORMS[models[0].kind]
    records = [run for model in models for run in model.trainings]
    owners = [model.owner for model in models if model.owner not in records]
    runs = ensure_runs(store, form.experiment, [*records, *owners], code_tags=code)
    end_abandoned(store, records, experiment=form.experiment)
    return ensure_versions(
        store,
        [
            ModelRecord(
                name=model.name,
                model_description=model.description,
                folder=model.folder,
                members=model.members,
                digest=model.digest,
                run_id=(run := runs[model.owner.key]).info.run_id,
                card=render_card(model.card, root, run_tags=run.data.tags),
                tags=model.tags,
                form=form,
            )
            for model in models
        ],
    )


def _ensure_arm_aliases(store: Store, arms: Sequence[str]) -> None:
    """Let the alias of each spectrum arm be on its newest version."""
    client = store.client
    aliases = client.get_registered_model(SPECTRUM_MODEL).aliases
    versions = client.search_model_versions(f"name = '{SPECTRUM_MODEL}'")
    for arm in arms:
        newest = max(int(v.version) for v in versions if v.tags.get("arm") == arm)
        if str(aliases.get(arm)) != str(newest):
            client.set_registered_model_alias(SPECTRUM_MODEL, arm, str(newest))
