"""The model that the registry serves, as code: MLflow runs this file to load a version.

Input: images (n, 32, 32, 5) float32 in nanomaggies, bands u g r i z last, NaN where a pixel is
masked or a band absent. Parameter `ebv`: E(B-V) of the n galaxies in magnitudes, or nothing.
Output: one row per galaxy of redshifts, limits of the central 68 and 95 % intervals, and flags.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from mlflow.pyfunc import PythonModel, PythonModelContext

__all__ = ["REDSHIFT_COLUMNS", "ServedRedshifts"]

REDSHIFT_COLUMNS = (
    "z_median",
    "z_mean",
    "z_mode",
    "z_err68_low",
    "z_err68_high",
    "z_err95_low",
    "z_err95_high",
)


class ServedRedshifts(PythonModel):  # type: ignore[misc]
    """A pool of networks behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the pool; imported here, so that nothing but serving waits for TensorFlow."""
        from pix2z.network.estimator import load_pool

        self.estimator = load_pool(Path(context.artifacts["pool"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,  # MLflow warns of other hints
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Redshifts of images (n, 32, 32, 5); ``params["ebv"]`` has n values or none."""
        ebv = (params or {}).get("ebv") or None
        found = self.estimator.estimate(np.asarray(model_input), ebv)
        columns = {name: getattr(found, name.replace("z_err", "err")) for name in REDSHIFT_COLUMNS}
        return pd.DataFrame({**columns, "flags": found.flags})


mlflow.models.set_model(ServedRedshifts())
