"""Two processes at once that register the same files: ``two_registrations.py ROOT``.

Exits with the number of those that failed.
"""

import os
import sys
import traceback
from pathlib import Path

# Imported once, before the fork: two imports at once would hide what is looked for.
import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

from pix2z.config.arms import Arm
from pix2z.tracking.register import register

ARMS = {"full": Arm(selection="full", architecture="hybrid", seeds=(1, 2))}


def main(root: Path) -> int:
    """Fork, wait, count."""
    children = []
    for _ in range(2):
        if (child := os.fork()) == 0:
            try:
                register(root, ARMS)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
