"""Which precision a network is computed in, on the machine at hand."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

__all__ = ["Precision", "resolved_precision"]

CPUINFO = Path("/proc/cpuinfo")

MULTIPLIES_BFLOAT16 = {"avx512_bf16", "amx_bf16"}
"""Flags of processors, as Linux names them, that multiply bfloat16 themselves."""


def resolved_precision(precision: str, *, cpuinfo: Path = CPUINFO) -> str:
    """Return what ``auto`` stands for here: bfloat16 where the processor multiplies it itself.

    Where it does not, TensorFlow emulates it: the published CNN then trains at about 130 stamps per
    second on two cores instead of thousands. All else is returned as it is.
    """
    if precision != "auto":
        return precision
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return "float32"
    flags = {word for line in lines if line.startswith("flags") for word in line.split()}
    return "mixed_bfloat16" if flags & MULTIPLIES_BFLOAT16 else "float32"


Precision = Annotated[
    Literal["auto", "float32", "mixed_bfloat16"], AfterValidator(resolved_precision)
]
"""Read as ``auto``, it is the one or the other from then on: what is recorded is what was used."""
