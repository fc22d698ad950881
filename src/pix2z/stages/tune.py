"""Stage: a short study on validation rows -> reports/tuning/, the settings of every hybrid arm."""

from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.tune import TuneConfig
from pix2z.stages.runner import run
from pix2z.tuning.hybrid import hybrid_trials, study_parts
from pix2z.tuning.journal import journal_path
from pix2z.tuning.report import write_study
from pix2z.tuning.space import HYBRID_SPACE
from pix2z.tuning.study import run_study


def main() -> None:
    """Search the hybrid's settings; calibration and test rows stay unseen."""
    tune, hybrid, pdf = TuneConfig.read(), HybridConfig.read(), PdfConfig.read()
    with hybrid_trials(tune, hybrid, pdf) as train_trial:
        result = run_study(
            journal=journal_path(".studies", *study_parts(tune, hybrid, pdf)),
            n_trials=tune.n_trials,
            seed=tune.seed,
            space=HYBRID_SPACE,
            baseline=hybrid.model_dump(),
            train_trial=train_trial,
        )
    write_study("reports/tuning", result)


if __name__ == "__main__":
    run(main)
