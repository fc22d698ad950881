"""Stage: all arms and controls on the test galaxies -> reports: JSON, figures, report.

Every arm is measured by itself, and all are compared; one process reads each prediction once.
"""

from functools import partial
from pathlib import Path

from pix2z.config.arms import read_arms
from pix2z.config.compute import ComputeConfig
from pix2z.config.evaluate import EvaluateConfig
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.evaluation.arm_files import read_arm, read_controls, read_histories
from pix2z.evaluation.contrasts import told
from pix2z.evaluation.outputs import write_evaluation
from pix2z.files import read_json
from pix2z.stages.runner import run


def main() -> None:
    """Read every prediction, measure, compare, draw, report."""
    config, names = EvaluateConfig.read(), list(read_arms())
    full, spectrum = read_split("data/splits/full.h5"), Path("reports/spectrum.json")
    read = partial(read_arm, clip_window=full.clip_window)
    to_tell = [name for name in ("full", "subsample") if name in names]
    controls = read_controls() | {told(name): read(name, told=True) for name in to_tell}
    with open_galaxies("data/galaxies.h5") as galaxies:
        write_evaluation(
            Path("reports"),
            arms={name: read(name) for name in names},
            controls=controls,
            histories={name: read_histories(name) for name in names},
            galaxies=galaxies,
            full=full,
            clipped=read_split("data/splits/clipped.h5"),
            ingest=read_json("reports/ingest.json"),
            spectrum=read_json(spectrum) if spectrum.exists() else None,
            margin=config.margin,
            n_bootstrap=config.n_bootstrap,
            seed=config.seed,
            processes=ComputeConfig.read().processes,
        )


if __name__ == "__main__":
    run(main)
