"""Stage: a short study on validation rows -> reports/tuning/, the settings of every hybrid arm."""

from pathlib import Path

from pix2z.config.compute import ComputeConfig
from pix2z.config.networks import HybridConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.tune import TuneConfig
from pix2z.stages.runner import run
from pix2z.tuning.hybrid import hybrid_trials, study_key
from pix2z.tuning.report import write_study
from pix2z.tuning.space import HYBRID_SPACE
from pix2z.tuning.study import run_study


def main() -> None:
    """Search the hybrid's settings; calibration and test rows stay unseen."""
    tune, hybrid, pdf = TuneConfig.read(), HybridConfig.read(), PdfConfig.read()
    processes = ComputeConfig.read().processes
    with hybrid_trials(tune, hybrid, pdf, processes=processes) as train_trials:
        result = run_study(
            journal=Path(".studies", study_key(tune, hybrid, pdf, of="stage"), "journal.json"),
            n_trials=tune.n_trials,
            batch=tune.batch,
            seed=tune.seed,
            space=HYBRID_SPACE,
            baseline=hybrid.model_dump(),
            train_trials=train_trials,
        )
    write_study("reports/tuning", result)


if __name__ == "__main__":
    run(main)
