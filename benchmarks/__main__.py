"""``python -m benchmarks [NAME ...]``: one after the other, each side by side in one run.

Two run only when they are named: ``python -m benchmarks scale --work FOLDER [--sizes N ...]``,
which needs 17 GB in FOLDER for its largest size, and ``peers``, which needs estimators of others.
"""

import argparse
import json
import logging
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.hours import bench_hours
from benchmarks.inference import bench_inference
from benchmarks.networks import bench_networks
from benchmarks.pdfs import bench_pdfs
from benchmarks.peers import bench_peers
from benchmarks.race import bench_race
from benchmarks.rendering import bench_rendering
from benchmarks.scale import SIZES, bench_scale
from benchmarks.serving import bench_serving
from benchmarks.softening import bench_softening
from benchmarks.survey_scale import bench_survey_scale
from benchmarks.surveys import bench_surveys
from benchmarks.unlike import bench_unlike
from pix2z.errors import Pix2zError
from pix2z.files import write_json

BENCHMARKS = {
    "rendering": bench_rendering,
    "networks": bench_networks,
    "hours": bench_hours,
    "inference": bench_inference,
    "race": bench_race,
    "pdfs": bench_pdfs,
    "serving": bench_serving,
    "softening": bench_softening,
    "dask": bench_survey_scale,
    "surveys": bench_surveys,
    "unlike": bench_unlike,
}
WHEN_NAMED = {"peers": bench_peers}
RESULTS = Path("benchmarks/results.json")


def main(options: argparse.Namespace) -> None:
    """Run the named benchmarks, or all of `BENCHMARKS`; results of the others are kept."""
    if "scale" in options.names:
        bench_scale(options.work, sizes=options.sizes, source=options.source)
    names = [name for name in options.names or BENCHMARKS if name != "scale"]
    if not names:
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names:
        logging.info("benchmark %s", name)
        results[name] = (BENCHMARKS | WHEN_NAMED)[name]() | {"machine": machine()}
        logging.info("%s", json.dumps(results[name], indent=2))
        write_json(RESULTS, results)


def machine() -> dict[str, Any]:
    """Return what a rate depends on: the processor's name and widest vectors, its cores."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    names = re.findall(r"^model name\s*: (.*)$", text, re.MULTILINE) or [platform.processor()]
    vectors = [flag for flag in ("avx2", "avx512f", "avx512_bf16") if f" {flag}" in text]
    return {
        "processor": names[0],
        "vectors": vectors[-1:],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--work", type=Path, default=Path("build/scale"))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--source", type=Path, default=Path("data/raw/semireal.h5"))
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in (*BENCHMARKS, *WHEN_NAMED, "scale"):
            parser.error(f"{name}: expected {', '.join(BENCHMARKS | WHEN_NAMED)} or scale")
    return options


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        main(parse(sys.argv[1:]))
    except Pix2zError as error:
        sys.exit(f"error: {error}")
