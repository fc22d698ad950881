"""What ``import pix2z`` offers: a trained model by its name, which turns images into redshifts."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Redshifts

__all__ = ["Estimator", "load", "load_pool"]


@runtime_checkable
class Estimator(Protocol):
    """A trained model; made by `load`, whether ONNX Runtime or Keras computes it."""

    @property
    def digest(self) -> str:
        """SHA-256 over all that was saved of the model."""

    @property
    def grid(self) -> RedshiftGrid:
        """The redshift bins of its PDFs."""

    @property
    def arm(self) -> str:
        """Name of the training that it comes from."""

    def estimate(self, images: Any, ebv: Any = None) -> Redshifts:
        """Estimate the redshifts of images: see `inference.estimator.Estimator.estimate`."""


def load_pool(folder: str | Path) -> Estimator:
    """Read a saved pool: its ONNX form, or, see `inference.answers`, its networks by Keras.

    Raises
    ------
    InputError
        A file of it cannot be read.
    IntegrityError
        Something of it was altered.
    """
    from pix2z.inference import answers
    from pix2z.saved.sealed import read_pool

    if answers(Path(folder), read_pool(Path(folder))):
        from pix2z.inference.estimator import load_pool as load_onnx_form

        return load_onnx_form(folder)
    from pix2z.network.estimator import load_pool as load_networks

    return load_networks(folder)


def load(model: str | Path) -> Estimator:
    """Load a trained model.

    Parameters
    ----------
    model : the name of an arm (``full``: models/full in the checkout) or of a fine-tuned
        model, ``student``, which comes with pix2z, a folder with pool.json, or a version in
        MLflow's registry, as ``models:/pix2z@champion``.

    Raises
    ------
    InputError
        Nothing of that name; the message lists what there is.
    IntegrityError
        A saved file does not match its digest.
    """
    from pix2z.tracking.model_names import resolve_pool

    return load_pool(resolve_pool(str(model)))
