"""Eight processes at once in one store that nobody has made: each opens it and logs a curve.

Exits with the number of those that failed, or that waited for TensorFlow.
"""

import os
import sys
import traceback

# Imported once, before the fork: eight imports at once would hide what is looked for.
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from mlflow.entities import Metric

from pix2z.tracking.store import open_store

PROCESSES, EPOCHS = 8, 20


def log_curve(number: int) -> None:
    """Log as a training does, point by point."""
    store = open_store()
    run = store.client.create_run(store.experiments["pix2z-train"], run_name=f"run {number}")
    for epoch in range(EPOCHS):
        point = Metric("curves/val_loss", 1 / (epoch + 1), timestamp=epoch, step=epoch)
        store.client.log_batch(run.info.run_id, metrics=[point])
    store.client.log_text(run.info.run_id, "a text", "note.txt")
    store.client.set_terminated(run.info.run_id)


def main() -> int:
    """Fork, wait, count."""
    children = []
    for number in range(PROCESSES):
        if (child := os.fork()) == 0:
            try:
                log_curve(number)
                os._exit("tensorflow" in sys.modules)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main())
