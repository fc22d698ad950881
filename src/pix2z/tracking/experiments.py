"""The experiments of MLflow that runs are kept in: made once, each with a description."""

from collections.abc import Callable, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Experiment

from pix2z.tracking.creation import allowing_existing
from pix2z.tracking.records import COMPARISONS, SPECTRA, TRAININGS, TUNING

__all__ = ["EXPERIMENTS", "ensure_experiments"]

EXPERIMENTS: Mapping[str, str] = {
    TUNING: (
        "Searches for settings of the hybrid network. Each parent run is one Optuna study, each "
        "child one trial: a short training judged by its loss on validation galaxies. The settings "
        "of the best trial train every hybrid arm alike. No models are kept here."
    ),
    TRAININGS: (
        "Trained redshift networks. An *arm* is one training sample and one architecture; it is "
        "trained once per seed, and the seeds are pooled. Runs named *seed* are single trainings "
        "with their learning curves; runs named *pool* carry the figures and own the registered "
        "model of the arm. Metrics named test/ are in redshift units, on the same test galaxies "
        "for every arm. Runs named *finetune* went on from a trained pool on other galaxies, and "
        "are tested on some of those."
    ),
    COMPARISONS: (
        "Comparisons of all arms and controls on the same test galaxies: does clipping the "
        "training sample at 2 sigma help? Each run is named after the DVC experiment, else the "
        "commit, that made it, and holds the verdicts, the report (report.html under Artifacts) "
        "and its figures."
    ),
    SPECTRA: (
        "Networks that reconstruct a galaxy's spectrum from its images. An *arm* is one training "
        "sample and one decoder. A run named after an arm has its learning curves, its errors on "
        "the test galaxies (test/, relative to the flux in r) and, for every way to read a "
        "redshift off the spectrum, the metrics of that redshift; it owns a version of the "
        f"registered model *{SPECTRA}*. A run named *assessment*, after its DVC experiment "
        "or commit, holds the comparison of all arms and its figures."
    ),
}
"""Experiment -> its description."""

_KIND = "custom_model_development"
"""Opens an experiment on its runs, not on the traces of a language model."""


def ensure_experiments(
    client: MlflowClient,
    experiments: Sequence[Experiment],
    *,
    artifacts_of: Callable[[str], str | None],
) -> dict[str, str]:
    """Return ids by name; what is missing is created, what a person deleted is restored.

    Parameters
    ----------
    experiments : all that the store has, deleted ones too.
    artifacts_of : name -> where a new experiment keeps its artifacts; None where the store decides.
    """
    known = {experiment.name: experiment for experiment in experiments}
    ids = {}
    for name, description in EXPERIMENTS.items():
        if name not in known:
            ids[name] = _create(client, name, description, artifacts_of(name))
            continue
        ids[name] = known[name].experiment_id
        if known[name].lifecycle_stage == "deleted":
            client.restore_experiment(ids[name])
    return ids


def _create(client: MlflowClient, name: str, description: str, location: str | None) -> str:
    tags = {"mlflow.note.content": description, "mlflow.experimentKind": _KIND}
    with allowing_existing():
        client.create_experiment(name, artifact_location=location, tags=tags)
    return str(client.get_experiment_by_name(name).experiment_id)
