"""Runs that are shown as under way although nobody works on them."""

from mlflow.entities import ViewType

from pix2z.tracking.doctor.finding import Finding, mend_command
from pix2z.tracking.doctor.registry_view import Registry
from pix2z.tracking.process_mark import PROCESS_TAG, is_gone

__all__ = ["RUN", "check_running", "end_run"]

RUN = "run"
"""Kind of fault: ``run/<id>``."""

_PAGE = 1000


def check_running(registry: Registry) -> list[Finding]:
    """Find runs whose process is gone."""
    client, experiments = registry.store.client, list(registry.store.experiments.values())
    runs = client.search_runs(
        experiments, "attributes.status = 'RUNNING'", ViewType.ACTIVE_ONLY, max_results=_PAGE
    )
    findings, unknown = [], 0
    for run in runs:
        mark = run.data.tags.get(PROCESS_TAG, "")
        gone = is_gone(mark)
        if gone is None:
            unknown += 1
        elif gone:
            name = f"{RUN}/{run.info.run_id}"
            findings.append(
                Finding(
                    "a run is shown as running, but its process is gone",
                    f"{run.info.run_name}, run {run.info.run_id}, process {mark}",
                    "it was killed; `dvc repro` goes on with that training and with this run. The "
                    "command marks it as killed until then",
                    mend_command(name),
                    name,
                )
            )
    if unknown:
        findings.append(
            Finding(
                f"{unknown} runs are under way elsewhere",
                "processes of other machines, or not recorded",
                "whether they live cannot be told from here",
                is_fault=False,
            )
        )
    return findings


def end_run(registry: Registry, run_id: str) -> str:
    """Mark a run as killed; say so."""
    registry.store.client.set_terminated(run_id, "KILLED")
    return f"run {run_id} is marked as killed"
