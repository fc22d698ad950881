"""Run as a file of its own: answers of a registered version, loaded as anybody would serve it.

``python answers_of_version.py URI INPUT.npz OUTPUT.npz``. pix2z is not imported here, so that the
version runs the code that was registered with it. A failure is one line on stderr.
"""

import sys

import mlflow
import numpy as np


def main(uri: str, source: str, target: str) -> None:
    """Load the version, answer for the images in `source`, write the columns to `target`."""
    with np.load(source, allow_pickle=False) as file:
        images, ebv = file["images"], file["ebv"]
    model = mlflow.pyfunc.load_model(uri)
    found = model.predict(images, params={"ebv": ebv.tolist()})
    columns = {str(name): np.asarray(found[name], np.float64) for name in found.columns}
    np.savez(target, allow_pickle=False, **columns)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # whatever it is, it is the answer: this version cannot be served
        line = (str(error).strip().splitlines() or [""])[0]
        sys.exit(f"\n{type(error).__name__}: {line}")
