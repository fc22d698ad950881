"""Eight processes at once in one store, fresh or not: each opens it and logs a training.

Exits with the number of those that failed, or that waited for TensorFlow.
"""

import os
import sys
import traceback

# Imported once, before the fork: eight imports at once would hide what is looked for.
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

from pix2z.tracking.records import RunRecord
from pix2z.tracking.runs import curve_metrics, ensure_runs
from pix2z.tracking.store import open_store

PROCESSES, EPOCHS = 8, 20


def log_training(number: int) -> None:
    """Log as a stage does: a curve while it comes, then all the rest."""
    store = open_store()
    live = store.client.create_run(
        store.experiments["pix2z-train"], run_name=f"live {number}", tags={"training_key": "other"}
    )
    for epoch in range(EPOCHS):
        metrics = curve_metrics({"curves/val_loss": 1 / (epoch + 1)}, step=epoch)
        store.client.log_batch(live.info.run_id, metrics=metrics)
    store.client.set_terminated(live.info.run_id)
    record = RunRecord(
        key=f"training {number}",
        name=f"training {number}",
        description="",
        started=0.0,
        seconds=1.0,
        tags={"stage": "train"},
        params={"seed": str(number)},
        metrics={"test/mae": 0.01},
        curves={"curves/val_loss": [(epoch, 1 / (epoch + 1)) for epoch in range(EPOCHS)]},
        
    )
    ensure_runs(store, "pix2z-train", [record], code_tags={})


def main() -> int:
    """Fork, wait, count."""
    children = []
    for number in range(PROCESSES):
        if (child := os.fork()) == 0:
            try:
                log_training(number)
                os._exit("tensorflow" in sys.modules)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main())
