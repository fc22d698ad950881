"""Bring the tracking store in step with the files: each run and model version exactly once."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from pix2z.config.arms import Arm
from pix2z.tracking.comparison_record import comparison_record
from pix2z.tracking.lineage import code_tags, data_digest, recorded_digests
from pix2z.tracking.live import end_abandoned
from pix2z.tracking.model_card import model_record
from pix2z.tracking.registry import ensure_versions
from pix2z.tracking.runs import ensure_runs
from pix2z.tracking.store import Store, open_store
from pix2z.tracking.training_records import (
    GALAXIES,
    TrainedArm,
    member_record,
    pool_record,
    read_arm_files,
)
from pix2z.tracking.tuning_records import tuning_records

__all__ = ["register"]

LOG = logging.getLogger(__name__)


def register(root: Path, arms: Mapping[str, Arm]) -> None:
    """Register tuning, every trained arm and the comparison found under `root`.

    What the store holds already is found by digest and left alone; what it lacks is made. An arm
    without models/<arm>/pool.json is passed over.
    """
    store = open_store()
    code = code_tags(root)
    recorded = recorded_digests(root / "dvc.lock")
    galaxies = data_digest(root, GALAXIES, recorded)
    recorded[GALAXIES] = galaxies
    if (root / "reports/tuning/trials.json").exists():
        trials = tuning_records(root / "reports/tuning", galaxies_digest=galaxies)
        ensure_runs(store, "pix2z-tune", trials, code_tags=code)
    present = {n: arm for n, arm in arms.items() if (root / "models" / n / "pool.json").exists()}
    trained = [read_arm_files(root, name, arm, recorded=recorded) for name, arm in present.items()]
    _register_trained(store, trained, code)
    if (root / "reports/compare.json").exists():
        comparison = comparison_record(root / "reports", galaxies_digest=galaxies)
        ensure_runs(store, "pix2z-compare", [comparison], code_tags=code)
    LOG.info("%d arms are registered in %s", len(trained), store.uri)


def _register_trained(store: Store, trained: Sequence[TrainedArm], code: Mapping[str, str]) -> None:
    """Register every training, then every pool and the model that it is."""
    members = [[member_record(t, member) for member in t.pool["members"]] for t in trained]
    pools = [pool_record(t, m) for t, m in zip(trained, members, strict=True)]
    records = [record for some in (*members, pools) for record in some]
    ids = ensure_runs(store, "pix2z-train", records, code_tags=code)
    end_abandoned(store, [record for some in members for record in some])
    pairs = zip(trained, pools, strict=True)
    ensure_versions(store, [model_record(t, pool, run_id=ids[pool.key]) for t, pool in pairs])
