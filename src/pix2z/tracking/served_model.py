"""The model that the registry serves, as code: MLflow runs this file to load a version.

Over HTTP, ``POST /invocations`` takes JSON, and every mistake in it is answered by one sentence::

    {"inputs": {"images": IMAGES, "ebv": [0.03, null], "pdf": true}}
    {"inputs": IMAGES, "params": {"ebv": [0.03, 0.01], "pdf": true}}        MLflow's own form

images
    (n, 32, 32, 5) in nanomaggies, bands u g r i z last, null or NaN where a pixel is masked or a
    band absent; n from 1 to 1024. Nested lists of numbers, or, read many times faster, one base64
    text of the same as little-endian float32, 20,480 bytes per galaxy.
ebv
    E(B-V) of the n galaxies in magnitudes; null or NaN where unknown, as what is negative or above
    3 counts. Optional.
pdf
    true asks for the PDFs too.

In Python, ``mlflow.pyfunc.load_model(...).predict`` takes an array of any length in the place of
IMAGES, alone with ``params`` or in a mapping.

The answer is a row per galaxy: redshifts (the model is judged by ``z_best``, which is the median,
or, of a network that gives a redshift and no PDF, that redshift), limits of the central 68 and 95 %
intervals, and ``pix2z_flags``, a sum of 1 (a band is absent), 2 (pixels are masked), 4 (E(B-V) is
unknown), 8 (every band is blank, so that all else is null), 32 (unlike the training galaxies), 64
(near an end of the redshift range) and 128 (the PDF has several peaks). With ``pdf``, each row also
has ``pdf``, the density per unit redshift in each bin, and ``pdf_z``, the centres of these equal
bins.
"""

from pathlib import Path

import mlflow
import pandas as pd  # type: ignore[import-untyped]

from pix2z.redshift_pdf.redshifts import ATTRIBUTES
from pix2z.tracking.served_forms import POOL, REDSHIFT_COLUMNS
from pix2z.tracking.served_requests import Request, ServedModel

__all__ = ["ServedRedshifts"]


class ServedRedshifts(ServedModel):
    """A pool of redshift networks behind MLflow's interface."""

    form = POOL
    home = Path(__file__).resolve().parent

    def load(self, folder: Path) -> str:
        """Load the pool; return its digest.

        Raise IntegrityError where weights were altered, though only the ONNX form answers: whoever
        fine-tunes this version begins from them.
        """
        from pix2z.catalogue.estimator import load_pool
        from pix2z.saved.sealed import read_member, read_pool

        for name in read_pool(folder)["members"]:
            read_member(folder / name)
        self.estimator = load_pool(folder)
        return self.estimator.digest

    def answer(self, request: Request) -> pd.DataFrame:
        """Return redshifts, and PDFs where they are asked for."""
        redshifts = self.estimator.estimate(request.images, request.ebv)
        columns = {
            name: getattr(redshifts, ATTRIBUTES[f"pix2z_{name}"]) for name in REDSHIFT_COLUMNS
        }
        rows = pd.DataFrame({**columns, "pix2z_flags": redshifts.flags})
        if request.pdf:
            rows["pdf"] = redshifts.density.tolist()
            rows["pdf_z"] = [redshifts.grid.centres.tolist()] * len(rows)
        return rows


mlflow.models.set_model(ServedRedshifts())
