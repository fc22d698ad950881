"""Measure one arm by itself: ``python -m pix2z.stages.evaluate ARM``."""

import sys

from pix2z.config.evaluate import EvaluateConfig
from pix2z.dataset.splits import read_split
from pix2z.evaluation.arm_files import read_arm
from pix2z.evaluation.arm_report import arm_report
from pix2z.files import write_json
from pix2z.stages.runner import run


def main() -> None:
    """Write reports/metrics/ARM.json from the arm's predictions."""
    name = sys.argv[1]
    config = EvaluateConfig.read()
    window = read_split("data/splits/full.h5").clip_window
    report = arm_report(
        name,
        read_arm(name, clip_window=window),
        clip_window=window,
        n_bootstrap=config.n_bootstrap,
        seed=config.seed,
    )
    write_json(f"reports/metrics/{name}.json", report)


if __name__ == "__main__":
    run(main)
