"""Stage: a short study on validation rows -> reports/tuning/, the settings of every hybrid arm."""

from functools import partial
from importlib.metadata import version

from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.tune import TuneConfig
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.files import file_digest, source_digest
from pix2z.network.recipes import feature_moments, fit_hybrid_trial
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.stages.runner import run
from pix2z.tuning.journal import journal_path
from pix2z.tuning.report import write_study
from pix2z.tuning.space import HYBRID_SPACE
from pix2z.tuning.study import run_study

INPUTS = ("data/galaxies.h5", "data/splits/full.h5")


def main() -> None:
    """Search the hybrid's settings; calibration and test rows stay unseen."""
    tune, hybrid, pdf = TuneConfig.read(), HybridConfig.read(), PdfConfig.read()
    parts = [file_digest(path) for path in INPUTS]
    parts += [tune.model_dump_json(exclude={"n_trials"})]  # more trials go on with the same study
    parts += [section.model_dump_json() for section in (hybrid, pdf)]
    parts += [source_digest("network", "dataset", "redshift_pdf", "sky/imaging.py", "tuning")]
    parts += [version("tensorflow")]
    with open_galaxies(INPUTS[0]) as galaxies:
        split = read_split(INPUTS[1])
        train = partial(fit_hybrid_trial, galaxies, split, epochs=tune.epochs, seed=tune.seed)
        moments = feature_moments(galaxies, split.train)
        train = partial(train, grid=RedshiftGrid(**pdf.model_dump()), moments=moments)
        result = run_study(
            journal=journal_path(".studies", *parts),
            n_trials=tune.n_trials,
            seed=tune.seed,
            space=HYBRID_SPACE,
            baseline=hybrid.model_dump(),
            train_trial=lambda settings, report: train(
                hybrid=hybrid.model_copy(update=settings), on_epoch=report
            ),
        )
    write_study("reports/tuning", result)


if __name__ == "__main__":
    run(main)
