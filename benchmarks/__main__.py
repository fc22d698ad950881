"""``python -m benchmarks [NAME ...]``: one after the other, each side by side in one run."""

import json
import logging
import platform
import sys
from pathlib import Path

from benchmarks.networks import bench_networks
from benchmarks.race import bench_race
from benchmarks.rendering import bench_rendering
from pix2z.errors import Pix2zError
from pix2z.files import write_json

BENCHMARKS = {"rendering": bench_rendering, "networks": bench_networks, "race": bench_race}
RESULTS = Path("benchmarks/results.json")


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all; results of the others are kept."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names or BENCHMARKS:
        logging.info("benchmark %s", name)
        results[name] = BENCHMARKS[name]()
        logging.info("%s", json.dumps(results[name], indent=2))
    results["machine"] = {"processor": platform.machine(), "python": platform.python_version()}
    write_json(RESULTS, results)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        main(sys.argv[1:])
    except Pix2zError as error:
        sys.exit(f"error: {error}")
