"""Runs that appear once each: found again by key, adopted from live curves, completed or made.

`ensure_runs` writes values, `records.RunRecord`, to their experiments. A record that is there
already, as its content digest says, costs nothing; what a kill left half written is completed.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from pix2z.tracking.commits import commit_tags
from pix2z.tracking.records import RunRecord, content_digest
from pix2z.tracking.store import Store

__all__ = [
    "KEY_TAG",
    "LIVE_TAG",
    "TRAINING_TAG",
    "ensure_runs",
    "source_tags",
]

KEY_TAG = "record_digest"
CONTENT_TAG = "content_digest"
TRAINING_TAG = "training_key"
LIVE_TAG = "live"
"""``true`` while a training is under way, ``adopted`` once its files are registered."""

_CREATED_TAG = "created_ns"
"""Nanoseconds since 1970 when the run was made; `started` is that of the training."""

_PAGE = 100


def ensure_runs(
    store: Store, records: Sequence[RunRecord], *, code_tags: Mapping[str, str]
) -> dict[str, Run]:
    """Make the store hold each record once; return runs by key, with the tags they were made with.

    A run that says what its record says is left alone: the second call with the same records costs
    one search. Parents come before their children.

    Parameters
    ----------
    code_tags : state of the code, written when a run is made and kept; a record whose results are
        committed has that commit instead.
    """
    by_key, by_training = _find(store, records)
    runs: dict[str, Run] = {}
    for record in records:
        run = by_key.get(record.key) or by_training.get(record.training_key)
        if run is None:
            parent = runs.get(record.parent_key or "")
            run = _create(store, record, code_tags, parent)
        if not _says(run, record):
            _complete(store.client, run, record)
        runs[record.key] = run
    return runs


def _find(
    store: Store, records: Sequence[RunRecord]
) -> tuple[dict[str, Run], dict[str | None, Run]]:
    """Return runs by key and live ones by training key; reads pages until every key is found."""
    keys = {record.key for record in records}
    experiments = list({store.experiments[record.experiment] for record in records})
    by_key: dict[str, Run] = {}
    by_training: dict[str | None, Run] = {}
    token = None
    while True:
        order = ["attributes.start_time DESC"]
        page = store.client.search_runs(experiments, "", 1, _PAGE, order, token)
        for run in page:
            tags = run.data.tags
            if KEY_TAG in tags:
                by_key.setdefault(tags[KEY_TAG], run)
            elif TRAINING_TAG in tags:
                by_training.setdefault(tags[TRAINING_TAG], run)
        token = page.token
        if not token or keys <= by_key.keys():
            return by_key, by_training


def _says(run: Run, record: RunRecord) -> bool:
    is_finished: bool = run.info.status == "FINISHED"
    return is_finished and run.data.tags.get(CONTENT_TAG) == content_digest(record)


def _create(
    store: Store, record: RunRecord, code_tags: Mapping[str, str], parent: Run | None
) -> Run:
    tags = {
        KEY_TAG: record.key,
        _CREATED_TAG: str(time.time_ns()),
        **(commit_tags(record.commit) if record.commit else code_tags),
        **source_tags(record.tags["stage"]),
    }
    if record.training_key:
        tags[TRAINING_TAG] = record.training_key
    if parent:
        tags["mlflow.parentRunId"] = parent.info.run_id
    run = store.client.create_run(
        store.experiments[record.experiment],
        start_time=int(record.started * 1000),
        tags=tags,
        run_name=_name(record, tags),
    )
    return _first_of_twins(store, run, record.key)


def _name(record: RunRecord, tags: Mapping[str, str]) -> str:
    """Return the name of a run; that of a comparison tells whose it is among many.

    tags : those it was made with, so that the name stays when an experiment is applied.
    """
    changed = "-dirty" if tags.get("git_dirty") == "true" else ""
    commit = f"{tags['git_commit'][:7]}{changed}" if "git_commit" in tags else ""
    code = tags.get("dvc_experiment", commit) if record.named_by_code else ""
    return f"{code}: {record.name}" if code else record.name


def _first_of_twins(store: Store, run: Run, key: str) -> Run:
    """Delete a new run whose record another machine has written meanwhile, and return theirs."""
    if not store.is_shared:  # `store.locked` has kept others out
        return run
    twins = store.client.search_runs([run.info.experiment_id], f"tags.{KEY_TAG} = '{key}'")
    first = min([run, *twins], key=lambda twin: int(twin.data.tags.get(_CREATED_TAG, 0)))
    if first.info.run_id != run.info.run_id:
        store.client.delete_run(run.info.run_id)
    return first


def source_tags(stage: str) -> dict[str, str]:
    """Return what MLflow shows as the source of a run: the module of the stage or command."""
    room = "cli" if stage == "finetune" else "stages"
    return {"mlflow.source.name": f"pix2z.{room}.{stage}", "mlflow.source.type": "LOCAL"}


def _complete(client: MlflowClient, run: Run, record: RunRecord) -> None:
    """Write what the run lacks; its content digest comes last, so a kill leaves it incomplete."""
    run_id = run.info.run_id
    metrics = list(_new_metrics(client, run, record))
    params = [Param(k, v) for k, v in record.params.items() if k not in run.data.params]
    for start in range(0, len(metrics), 1000):  # MLflow's limits per call: 1000 metrics,
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
    for start in range(0, len(params), 100):  # 100 parameters
        client.log_batch(run_id, params=params[start : start + 100])
    for path, folder in record.artifacts.items():
        client.log_artifact(run_id, str(path), folder or None)
    tags = {
        KEY_TAG: record.key,
        "mlflow.runName": _name(record, run.data.tags),
        "mlflow.note.content": record.description,
        **record.tags,
        CONTENT_TAG: content_digest(record),
    }
    if LIVE_TAG in run.data.tags:
        tags[LIVE_TAG] = "adopted"
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    end = max(int((record.started + record.seconds) * 1000), run.info.start_time)
    client.set_terminated(run_id, "FINISHED", end)


def _new_metrics(client: MlflowClient, run: Run, record: RunRecord) -> Iterable[Metric]:
    """Points of curves and final metrics that the run does not show yet."""
    now, known = int(time.time() * 1000), run.data.metrics
    for name, value in record.metrics.items():
        if known.get(name) != value:
            yield Metric(name, value, now, 0)
    for name, curve in record.curves.items():
        history = client.get_metric_history(run.info.run_id, name) if name in known else ()
        steps = {metric.step for metric in history}
        for place, (step, value) in enumerate(curve, start=1):
            if step not in steps:
                at = record.started + record.seconds * place / len(curve)
                yield Metric(name, value, int(at * 1000), step)
