"""pix2z: galaxy redshifts from five-band image pixels.

::

    import pix2z

    redshifts = pix2z.load("full").estimate(images, ebv)
    redshifts.to_pandas()
    redshifts.pdf.density

This takes no time to import: what computes is imported by `load`.
"""

from importlib import import_module
from typing import Any

__all__ = ["Estimator", "Redshifts", "__version__", "load"]

__version__ = "0.1.0"

_HOMES = {
    "Estimator": "pix2z.catalogue.estimator",
    "Redshifts": "pix2z.redshift_pdf.redshifts",
    "load": "pix2z.catalogue.estimator",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pix2z' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Public names."""
    return sorted(__all__)
