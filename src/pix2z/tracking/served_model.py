"""The model that the registry serves, as code: MLflow runs this file to load a version.

Over HTTP, ``POST /invocations`` takes JSON, and every mistake in it is answered by one sentence::

    {"inputs": {"images": IMAGES, "ebv": [0.03, null], "pdf": true}}
    {"inputs": IMAGES, "params": {"ebv": [0.03, 0.01], "pdf": true}}        MLflow's own form

images
    (n, 32, 32, 5) in nanomaggies, bands u g r i z last, null or NaN where a pixel is masked or a
    band absent; n from 1 to 1024. Nested lists of numbers, or, read many times faster, one base64
    text of the same as little-endian float32, 20,480 bytes per galaxy.
ebv
    E(B-V) of the n galaxies in magnitudes, up to 3; null, NaN or negative where unknown. Optional.
pdf
    true asks for the PDFs too.

In Python, ``mlflow.pyfunc.load_model(...).predict`` takes an array of any length in the place of
IMAGES, alone with ``params`` or in a mapping.

The answer is a row per galaxy: redshifts, limits of the central 68 and 95 % intervals, and flags,
a sum of 1 (a band is absent), 2 (pixels are masked), 4 (E(B-V) is unknown) and 8 (every band is
blank, so that the redshift only tells of the training sample). With ``pdf``, each row also has
``pdf``, the density per unit redshift in each bin, and ``pdf_z``, the centres of these equal bins.
"""

import logging
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from mlflow.pyfunc import PythonModel, PythonModelContext

from pix2z.tracking.serving.blank import FLAG_BLANK, with_blank
from pix2z.tracking.serving.request import ModelFailure, Request, RequestError, read_request

__all__ = ["FLAG_BLANK", "PDF_COLUMNS", "REDSHIFT_COLUMNS", "ServedRedshifts"]

LOG = logging.getLogger(__name__)

REDSHIFT_COLUMNS = (
    "z_median",
    "z_mean",
    "z_mode",
    "z_err68_low",
    "z_err68_high",
    "z_err95_low",
    "z_err95_high",
)
PDF_COLUMNS = ("pdf", "pdf_z")


class ServedRedshifts(PythonModel):  # type: ignore[misc]
    """A pool of networks behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the pool and try it; raise IntegrityError where it is not the one registered."""
        # Imported here, so that nothing but serving waits for TensorFlow.
        from pix2z.errors import IntegrityError
        from pix2z.network.estimator import load_pool
        from pix2z.network.joint import joined

        folder = Path(context.artifacts["pool"])
        if not folder.resolve().is_relative_to(Path(__file__).resolve().parent):
            raise IntegrityError(f"{folder}: outside the folder of the model; it is not loaded")
        pool = load_pool(folder)
        registered = (context.model_config or {}).get("pool_digest")
        if registered not in (None, pool.digest):
            raise IntegrityError(f"{folder}: not the pool that was registered, {registered}")
        self.estimator = joined(pool)
        # The network is traced here, for one galaxy and for any number, and not for a client.
        for n in (1, 2):
            self.estimator.estimate(np.zeros((n, 32, 32, 5), np.float32))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,  # or what else `read_request` takes; MLflow warns of other hints
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Redshifts of images (n, 32, 32, 5), a row each; RequestError says what is amiss."""
        try:
            return self._answer(read_request(model_input, params))
        except RequestError:
            raise
        except Exception as error:  # MLflow would send the traceback to the client
            LOG.exception("a request failed")
            raise ModelFailure("The model failed; the server's log says why.") from error

    def _answer(self, request: Request) -> pd.DataFrame:
        found = self.estimator.estimate(request.images, request.ebv)
        columns = {name: getattr(found, name.replace("z_err", "err")) for name in REDSHIFT_COLUMNS}
        answer = pd.DataFrame({**columns, "flags": with_blank(found.flags, request.images)})
        if request.pdf:
            answer["pdf"] = found.density.tolist()
            answer["pdf_z"] = [found.grid.centres.tolist()] * len(answer)
        return answer


mlflow.models.set_model(ServedRedshifts())
