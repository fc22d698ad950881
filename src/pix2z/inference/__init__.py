"""Saved pools without Keras: ONNX Runtime and numpy. Nothing here is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pix2z.saved.sealed import has_onnx_form, read_sealed

__all__ = ["answers"]


def answers(folder: Path, described: Mapping[str, Any]) -> bool:
    """Whether the ONNX form of a saved pool gives again what Keras predicted when it was trained.

    Pools of earlier versions have none. Networks that compute in bfloat16, as the published CNN
    does where the processor multiplies it, have theirs in float32, which differs in the third or
    fourth digit of a redshift: a version that answers otherwise than it was judged passes no gate.

    Parameters
    ----------
    folder
        Of the pool.
    described
        What its pool.json says.
    """
    if not has_onnx_form(described):
        return False
    first = next(iter(described["members"]))
    settings = read_sealed(folder / first / "estimator.json")["settings"]
    return bool(settings["precision"] == "float32")
