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
    are half the bands that hold 68 and 95 % of true fluxes, away from strong emission lines.
z_median, z_err68_low, z_err68_high
    Of the network's own redshift PDF, where it has one.
pix2z_flags
    A sum of 1 (a band is absent), 2 (pixels are masked), 4 (E(B-V) is unknown), 8 (every band is
    blank, so that all else is null) and 16 (no positive flux in r: the spectrum is relative to its
    mean there).
"""

from pathlib import Path

import mlflow
import pandas as pd  # type: ignore[import-untyped]

from pix2z.tracking.served_forms import SPECTRUM
from pix2z.tracking.served_requests import Request, RequestError, ServedModel

__all__ = ["ServedSpectra"]

LARGEST_SPECTRA = 128
"""Galaxies in one request; some 40 MB of JSON."""


class ServedSpectra(ServedModel):
    """A spectrum network behind MLflow's interface."""

    form = SPECTRUM
    home = Path(__file__).resolve().parent

    def load(self, folder: Path) -> str:
        """Load the network; return its digest."""
        from pix2z.spectrum_network.estimator import load_spectrum_estimator

        self.estimator = load_spectrum_estimator(folder)
        return self.estimator.digest

    def answer(self, request: Request) -> pd.DataFrame:
        """Return spectra, and redshifts where the network has a PDF."""
        from pix2z.spectrum_network.units import physical_answer

        n = len(request.images)
        if request.pdf:
            raise RequestError("pdf is asked for; this model takes images and ebv only.")
        if n > LARGEST_SPECTRA:
            raise RequestError(
                f"images holds {n} galaxies; expected {LARGEST_SPECTRA} at most in one request "
                "for spectra."
            )
        reconstruction = self.estimator.reconstruct(request.images, request.ebv)
        found = physical_answer(reconstruction, self.estimator.shifts)
        rows = pd.DataFrame({"wavelength": [self.estimator.wavelengths.values.tolist()] * n})
        for name in ("flux", "flux_error", "flux_error95"):
            rows[name] = found[name].tolist()
        if reconstruction.shares is not None:
            for name in ("z_median", "z_err68_low", "z_err68_high"):
                rows[name] = found[f"pix2z_{name}"]
        rows["pix2z_flags"] = found["pix2z_flags"]
        return rows


mlflow.models.set_model(ServedSpectra())
