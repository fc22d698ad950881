"""Bring the tracking store in step with the files: each run and model version exactly once."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlflow.exceptions import MlflowException

from pix2z.config.arms import Arm
from pix2z.errors import InputError, Pix2zError
from pix2z.tracking.arms import GALAXIES, read_arm_files
from pix2z.tracking.comparison_record import comparison_record
from pix2z.tracking.finetuned import read_finetuned
from pix2z.tracking.lineage import code_tags, data_digest, recorded_digests
from pix2z.tracking.live import end_abandoned
from pix2z.tracking.model_card import model_record
from pix2z.tracking.registration_lock import registering
from pix2z.tracking.registry import ensure_versions
from pix2z.tracking.runs import ensure_runs
from pix2z.tracking.spectrum.registration import register_spectrum
from pix2z.tracking.store import Store, open_store
from pix2z.tracking.store_uri import shown_uri
from pix2z.tracking.training_records import TrainedPool, member_record, pool_record
from pix2z.tracking.tuning_records import tuning_records
from pix2z.tracking.versions import FINETUNED

__all__ = ["register", "register_finetuned"]

LOG = logging.getLogger(__name__)


def register(root: Path, arms: Mapping[str, Arm], spectrum_arms: Iterable[str] = ()) -> None:
    """Register tuning, trained arms, fine-tuned models, the comparison and spectrum networks.

    What the store holds already is found by digest and left alone; what it lacks is made. An arm
    without its pool.json or, of `spectrum_arms`, its spectrum.json and a fine-tuning without
    report.json are passed over.
    """
    try:
        store = open_store()
        with registering(store):
            n_arms = _register(store, root, arms, spectrum_arms)
    except MlflowException as error:
        raise _unwritable(error) from error
    LOG.info("%d arms are registered in %s", n_arms, shown_uri(store.uri))


def _register(
    store: Store, root: Path, arms: Mapping[str, Arm], spectrum_arms: Iterable[str]
) -> int:
    """Register what is under `root`; return how many arms it holds."""
    code = code_tags(root)
    recorded = recorded_digests(root / "dvc.lock")
    galaxies = data_digest(root, GALAXIES, recorded)
    recorded[GALAXIES] = galaxies
    if (root / "reports/tuning/trials.json").exists():
        trials = tuning_records(root / "reports/tuning", galaxies_digest=galaxies)
        ensure_runs(store, "pix2z-tune", trials, code_tags=code)
    present = {n: arm for n, arm in arms.items() if (root / "models" / n / "pool.json").exists()}
    trained = [read_arm_files(root, name, arm, recorded=recorded) for name, arm in present.items()]
    _register_trained(store, [*trained, *_finetuned(root)], code)
    if (root / "reports/compare.json").exists():
        comparison = comparison_record(root / "reports", galaxies_digest=galaxies)
        ensure_runs(store, "pix2z-compare", [comparison], code_tags=code)
    return len(trained) + register_spectrum(store, root, spectrum_arms, code_tags=code)


def _finetuned(root: Path) -> list[TrainedPool]:
    """Read every fine-tuned model that is whole."""
    found = []
    for report in sorted(root.glob(f"{FINETUNED}/*/report.json")):
        try:
            found.append(read_finetuned(report.parent))
        except InputError as error:
            LOG.warning("not registered: %s", error)
    return found


def register_finetuned(folder: Path, *, root: Path) -> str:
    """Register the fine-tuned model in `folder`, and return its URI in the registry.

    Raises
    ------
    Pix2zError
        The store cannot be reached; the same call can be repeated.
    """
    trained = read_finetuned(folder)
    try:
        store = open_store()
        with registering(store):
            (version,) = _register_trained(store, [trained], code_tags(root))
    except (MlflowException, Pix2zError, OSError) as error:
        raise _unwritable(error) from error
    return f"models:/{trained.model}/{version}"


def _unwritable(error: Exception) -> Pix2zError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return Pix2zError(f"MLflow's store cannot be written ({reason})")


def _register_trained(
    store: Store, trained: Sequence[TrainedPool], code: Mapping[str, str]
) -> list[str]:
    """Register every training, then every pool and the model that it is; return the versions."""
    members = [[member_record(t, member) for member in t.pool["members"]] for t in trained]
    pools = [pool_record(t, m) for t, m in zip(trained, members, strict=True)]
    records = [record for some in (*members, pools) for record in some]
    ids = ensure_runs(store, "pix2z-train", records, code_tags=code)
    end_abandoned(store, [record for some in members for record in some])
    pairs = zip(trained, pools, strict=True)
    models = [model_record(t, pool, run_id=ids[pool.key]) for t, pool in pairs]
    return ensure_versions(store, models)
