"""What a finished run answers beyond its comparison: ``python -m pix2z.stages.study``.

No stage of dvc.yaml: `make study` runs it after the pipeline, and it may be run in any folder in
which `dvc repro` has finished. Run again, it goes on where it was stopped.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.config.arms import read_arms
from pix2z.config.compute import ComputeConfig
from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.ingest import IngestConfig
from pix2z.config.networks import AperturesConfig, PublishedCnnConfig, SoftmaxConfig
from pix2z.config.sky import SkyConfig
from pix2z.config.split import SplitConfig
from pix2z.config.study import StudyConfig
from pix2z.config.training import read_training
from pix2z.dataset.splits import Split, read_split
from pix2z.dataset.store import open_galaxies
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.stages.runner import run
from pix2z.study.flat_sizes import render_flat_sizes, split_of
from pix2z.study.outputs import Study, write_study

KEPT = Path(".checkpoints/study")
"""Scores of finished trainings, and the other sky; both are made once."""

RENDERED = "data/raw/semireal.h5"
ASKED = ("full", "apertures", "catalogue", "published_full")


def main() -> None:
    """Read the run, train what is missing, write reports/study.{json,md} and its figures."""
    evaluate = EvaluateConfig.read()
    with open_galaxies("data/galaxies.h5") as galaxies:
        study = Study(
            config=StudyConfig.read(),
            galaxies=galaxies,
            full=read_split("data/splits/full.h5"),
            grid=RedshiftGrid(**read_training("full").pdf.model_dump()),
            arms=_settings(),
            other_sky=_other_sky() if IngestConfig.read().source == RENDERED else None,
        )
        write_study(
            study,
            Path("reports"),
            run=Path(),
            scores=KEPT,
            n_bootstrap=evaluate.n_bootstrap,
            seed=evaluate.seed,
            processes=ComputeConfig.read().processes,
        )


def _settings() -> dict[str, SoftmaxConfig | PublishedCnnConfig]:
    """Read how the arms that are asked are trained."""
    arms = {name: read_training(name).settings for name in ASKED if name in read_arms()}
    return {"apertures": AperturesConfig.read()} | arms


def _other_sky() -> tuple[Path, Split, NDArray[np.int64]]:
    """Render the sky whose sizes do not know the redshift, where it is not there yet; split it."""
    config, rows, grid = SplitConfig.read(), IngestConfig.read(), read_training("full").pdf
    split = config.model_dump()
    path = render_flat_sizes(
        KEPT / "sizes_do_not",
        sky=SkyConfig.read().model_dump(),
        split=split,
        rows=rows.model_dump(include={"z_min", "z_max", "duplicate_radius_arcsec"}),
        pdf_range=(grid.z_min, grid.z_max),
    )
    full, object_id = split_of(path, split=split)
    return path, full, object_id


if __name__ == "__main__":
    run(main)
