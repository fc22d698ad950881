"""The spectrum networks that the registry serves, as code: MLflow runs this file to load a version.

Over HTTP, ``POST /invocations`` takes what `served_model` takes, but no ``pdf``::

    {"inputs": {"images": IMAGES, "ebv": [0.03, null]}}
    {"inputs": IMAGES, "params": {"ebv": [0.03, 0.01]}}        MLflow's own form

IMAGES are (n, 32, 32, 5) in nanomaggies as nested lists, base64 text or, in Python, an array; n
from 1 to 128, since each galaxy is answered by thousands of numbers.

The answer is a row per galaxy:

wavelength
    In Angstrom in vacuum, as observed.
flux, flux_error, flux_error95
    In 1e-17 erg / (s cm2 Angstrom), without Galactic extinction where E(B-V) is known; the errors
    are half the bands that hold 68 and 95 % of true fluxes.
z_median, z_err68_low, z_err68_high
    Of the network's own redshift PDF, where it has one.
flags
    A sum of 1 (a band is absent), 2 (pixels are masked), 4 (E(B-V) is unknown), 8 (every band is
    blank) and 16 (no positive flux in r: the spectrum is relative to its mean there).
"""

import logging
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from mlflow.pyfunc import PythonModel, PythonModelContext

from pix2z.tracking.serving.blank import with_blank
from pix2z.tracking.serving.request import ModelFailure, Request, RequestError, read_request

__all__ = ["LARGEST_SPECTRA", "ServedSpectra"]

LOG = logging.getLogger(__name__)

LARGEST_SPECTRA = 128
"""Galaxies in one request; some 40 MB of JSON."""


class ServedSpectra(PythonModel):  # type: ignore[misc]
    """A spectrum network behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the network and try it; raise IntegrityError where it is not the one registered."""
        # Imported here, so that nothing but serving waits for TensorFlow.
        from pix2z.errors import IntegrityError
        from pix2z.spectrum_network.estimator import load_spectrum_estimator

        folder = Path(context.artifacts["network"]).resolve()
        home = Path(__file__).resolve().parent
        for path in (folder, *folder.rglob("*")):
            if not path.resolve().is_relative_to(home):
                raise IntegrityError(f"{path}: outside the folder of the model; it is not loaded")
        self.estimator = load_spectrum_estimator(folder)
        registered = (context.model_config or {}).get("spectrum_digest")
        if registered != self.estimator.digest:
            raise IntegrityError(f"{folder}: not the network that was registered, {registered}")
        # The network is traced here, for one galaxy and for any number, and not for a client.
        for n in (1, 2):
            self.estimator.reconstruct(np.zeros((n, 32, 32, 5), np.float32))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,  # or what else `read_request` takes; MLflow warns of other hints
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Spectra of images (n, 32, 32, 5), a row each; RequestError says what is amiss."""
        try:
            return self._answer(_checked(read_request(model_input, params)))
        except RequestError:
            raise
        except Exception as error:  # MLflow would send the traceback to the client
            LOG.exception("a request failed")
            raise ModelFailure("The model failed; the server's log says why.") from error

    def _answer(self, request: Request) -> pd.DataFrame:
        from pix2z.spectrum_network.units import physical_spectra, redshift_columns

        found = self.estimator.reconstruct(request.images, request.ebv)
        physical = physical_spectra(found, request.images, request.ebv)
        wavelength = self.estimator.wavelengths.values.tolist()
        answer = pd.DataFrame({"wavelength": [wavelength] * len(request.images)})
        for name in ("flux", "flux_error", "flux_error95"):
            answer[name] = getattr(physical, name).tolist()
        if found.shares is not None:
            for name, values in redshift_columns(found, self.estimator.shifts).items():
                answer[name.removeprefix("pix2z_")] = values
        answer["flags"] = with_blank(physical.flags, request.images)
        return answer


def _checked(request: Request) -> Request:
    """Refuse what only other models answer."""
    if request.pdf:
        raise RequestError("pdf is asked for; this model takes images and ebv only.")
    if len(request.images) > LARGEST_SPECTRA:
        raise RequestError(
            f"images holds {len(request.images)} galaxies; expected {LARGEST_SPECTRA} at most in "
            "one request for spectra."
        )
    return request


mlflow.models.set_model(ServedSpectra())
