"""The pool as it is saved: its ONNX form, and pool.json, which seals that and its members."""

from collections.abc import Sequence
from pathlib import Path

from pix2z.network.onnx_form import write_onnx_form
from pix2z.redshift_pdf.redshifts import Calibration
from pix2z.saved.sample_density import SampleDensity
from pix2z.saved.sealed import ONNX_FORM, write_pool

__all__ = ["save_pool"]


def save_pool(
    folder: Path,
    members: Sequence[str],
    calibration: Calibration,
    sample_density: SampleDensity | None = None,
) -> None:
    """Write pool.onnx, then pool.json over saved members, named by their folders in order."""
    write_onnx_form(folder / ONNX_FORM, [folder / name for name in members])
    write_pool(folder, members, calibration, sample_density)
