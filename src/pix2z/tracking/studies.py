"""A study of `pix2z tune` in MLflow, while it runs and afterwards."""

from pathlib import Path

from mlflow.exceptions import MlflowException

from pix2z.errors import Pix2zError
from pix2z.tracking.lineage import code_tags, data_digest, recorded_digests
from pix2z.tracking.registration_lock import registering
from pix2z.tracking.runs import ensure_runs
from pix2z.tracking.store import open_store
from pix2z.tracking.tuning_records import tuning_records

__all__ = ["register_study"]


def register_study(folder: Path, *, name: str, galaxies: str, root: Path) -> None:
    """Make the store show the study as its files in `folder` tell it, as one run with its trials.

    Parameters
    ----------
    name : the same name is the same run, however many trials the study has by now.
    galaxies : path of the file that it was trained on, below `root`.

    Raises
    ------
    Pix2zError
        The store cannot be written; the same call can be repeated.
    """
    digest = data_digest(root, galaxies, recorded_digests(root / "dvc.lock"))
    records = tuning_records(folder, galaxies_digest=digest, study_name=name)
    try:
        store = open_store()
        with registering(store):
            ensure_runs(store, "pix2z-tune", records, code_tags=code_tags(root))
    except (MlflowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Pix2zError(f"MLflow's store cannot be written ({reason})") from error
