"""Four processes at once in one store, which none of them finds: ``processes.py ROOT``.

Each opens it, shows the curve of a training of its own, and registers the files of ROOT, which are
the same for all. Exits with the number of those that failed, or that waited for TensorFlow.
"""

import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

# Imported once, before the fork: four imports at once would hide what is looked for.
import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

from pix2z.tracking.live import curve_in_store
from pix2z.tracking.register import register
from tests.tracking.conftest import ARMS, write_files

N_PROCESSES, N_EPOCHS = 4, 20


def train_and_register(root: Path, number: int) -> None:
    show = curve_in_store(number, arm="another", training_key="key", stage="train")
    for epoch in range(N_EPOCHS):
        show(epoch, {"loss": 2.0, "val_loss": 1 / (epoch + 1)})
    register(root, {"full": ARMS["full"]})


def main(root: Path) -> int:
    """Fork, wait, count."""
    write_files(root)
    children = []
    for number in range(N_PROCESSES):
        if (child := os.fork()) == 0:
            try:
                train_and_register(root, number)
                os._exit("tensorflow" in sys.modules)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
