"""Bring the tracking store in step with the files: each run and model version exactly once."""

import logging
from collections.abc import Mapping
from pathlib import Path

from pix2z.config.arms import Arm
from pix2z.tracking.comparison_record import comparison_record
from pix2z.tracking.lineage import code_tags, recorded_digests
from pix2z.tracking.model_card import model_record
from pix2z.tracking.registry import ensure_versions
from pix2z.tracking.runs import ensure_runs
from pix2z.tracking.store import open_store
from pix2z.tracking.training_records import member_record, pool_record, read_arm_files
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
    if (root / "reports/tuning/trials.json").exists():
        ensure_runs(store, "pix2z-tune", tuning_records(root / "reports/tuning"), code_tags=code)
    present = {n: arm for n, arm in arms.items() if (root / "models" / n / "pool.json").exists()}
    trained = [read_arm_files(root, name, arm, recorded=recorded) for name, arm in present.items()]
    members = {t.name: [member_record(t, member) for member in t.pool["members"]] for t in trained}
    pools = {t.name: pool_record(t, members[t.name]) for t in trained}
    records = [r for t in trained for r in (*members[t.name], pools[t.name])]
    ids = ensure_runs(store, "pix2z-train", records, code_tags=code)
    models = [model_record(t, pools[t.name], run_id=ids[pools[t.name].key]) for t in trained]
    ensure_versions(store, models)
    if (root / "reports/compare.json").exists():
        ensure_runs(store, "pix2z-compare", [comparison_record(root / "reports")], code_tags=code)
    LOG.info(
        "%d trainings and %d models are in %s", len(records) - len(pools), len(models), store.uri
    )
