"""``python -m benchmarks.peak FILE MODULE [ARG ...]``: run a module, write down its peak memory."""

import runpy
import sys
from pathlib import Path


def peak_mib() -> float:
    """Largest resident memory of this process so far (VmHWM of Linux), in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(found) / 1024


if __name__ == "__main__":
    output, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(output).write_text(f"{peak_mib():.1f}\n", encoding="ascii")
