"""Train one arm: ``python -m pix2z.stages.train ARM``."""

import sys
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

from pix2z.config.arms import read_arm
from pix2z.config.networks import HybridConfig, SeedCnnConfig
from pix2z.config.pdf import PdfConfig
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.files import file_digest, read_json, source_digest, text_digest
from pix2z.network.arm import train_arm
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.stages.runner import run
from pix2z.tracking.live import live_curve

GALAXIES = Path("data/galaxies.h5")


def main() -> None:
    """Train every seed of the arm, calibrate, pool, save under models/ARM."""
    name = sys.argv[1]
    arm = read_arm(name)
    settings: HybridConfig | SeedCnnConfig = SeedCnnConfig.read()
    if arm.architecture == "hybrid":
        tuned = read_json("reports/tuning/best_params.json")
        settings = HybridConfig.model_validate({**HybridConfig.read().model_dump(), **tuned})
    grid = RedshiftGrid(**PdfConfig.read().model_dump())
    rows = Path(f"data/splits/{arm.selection}.h5")
    key = text_digest(
        file_digest(GALAXIES),
        file_digest(rows),
        f"{settings!r} {asdict(grid)}",
        source_digest("network", "dataset", "redshift_pdf", "sky/imaging.py"),
        version("tensorflow"),
    )
    with open_galaxies(GALAXIES) as galaxies:
        train_arm(
            galaxies,
            read_split(rows),
            architecture=arm.architecture,
            settings=settings,
            seeds=arm.seeds,
            grid=grid,
            models=Path("models") / name,
            checkpoints=Path(".checkpoints") / key,
            record={"arm": name, "selection": arm.selection, "training_key": key},
            curve=partial(live_curve, arm=name, training_key=key),
        )


if __name__ == "__main__":
    run(main)
