import numpy as np
import pytest

from pix2z.config.evaluate import EvaluateConfig
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import metric_values
from pix2z.evaluation.metric_names import METRICS
from pix2z.finetune.report import PAIRS, SHOWN, compared_metrics, verdict
from pix2z.redshift_pdf.density import normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions

GRID = RedshiftGrid(0.0, 0.4, 80)
N = 120


def predicted(*, scatter: float, width: float, seed: int = 0):
    """Gaussian PDFs of this width, off by this scatter, of the same galaxies each time."""
    z_spec = np.random.default_rng(1).uniform(0.1, 0.3, N)
    z_phot = z_spec + np.random.default_rng(seed).normal(0, scatter, N)
    density = normalise(np.exp(-0.5 * ((GRID.centres - z_phot[:, None]) / width) ** 2), GRID)
    row = np.arange(N)
    found = Predictions(
        grid=GRID,
        density=density.astype(np.float32),
        row=row,
        object_id=row,
        group_id=row // 2,
        z_spec=z_spec,
        z_phot=z_phot,
        mag_r=np.full(N, 17.0, np.float32),
        ebv=np.zeros(N, np.float32),
    )
    return galaxy_terms([found])


def measured(base, recalibrated, tuned):
    versions = {"base": base, "recalibrated": recalibrated, "tuned": tuned}
    return compared_metrics(versions, EvaluateConfig(seed=5, n_bootstrap=300, margin=0.02))


@pytest.fixture(scope="module")
def gain():
    """Half the scatter, where calibration alone gives little."""
    base = predicted(scatter=0.03, width=0.03)
    return measured(
        base, predicted(scatter=0.03, width=0.029), predicted(scatter=0.015, width=0.015)
    )


def test_every_version_and_difference_has_every_metric_with_its_interval(gain):
    assert set(gain["metrics"]) == {"base", "recalibrated", "tuned"}
    assert set(gain["differences"]) == {f"{a} minus {b}" for a, b in PAIRS}
    assert set(SHOWN) <= set(METRICS)
    for entry in [*gain["metrics"].values(), *gain["differences"].values()]:
        assert list(entry) == list(METRICS)
        for limits in entry.values():
            assert limits["low"] <= limits["high"]


def test_values_are_those_of_the_metrics_and_differences_theirs(gain):
    values = metric_values(predicted(scatter=0.03, width=0.03))
    for metric in METRICS:
        of = {name: entry[metric]["value"] for name, entry in gain["metrics"].items()}
        assert of["base"] == pytest.approx(values[metric])
        for a, b in PAIRS:
            difference = gain["differences"][f"{a} minus {b}"][metric]["value"]
            assert difference == pytest.approx(of[a] - of[b])


def test_differences_are_paired(gain):
    """The interval of the difference of two alike is far narrower than that of either."""
    alike = gain["differences"]["recalibrated minus base"]["mae"]
    assert alike == {"value": 0.0, "low": 0.0, "high": 0.0}
    one = gain["metrics"]["base"]["mae"]
    assert one["high"] - one["low"] > 0


PREDICTED = {
    "wide": {"scatter": 0.03, "width": 0.03},
    "narrow": {"scatter": 0.03, "width": 0.004},
    "another": {"scatter": 0.03, "width": 0.03, "seed": 9},
    "worse": {"scatter": 0.06, "width": 0.06},
    "better": {"scatter": 0.015, "width": 0.015},
}


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        (("wide", "wide", "better"), ": better, and by new weights, since against the base recal"),
        (("narrow", "wide", "wide"), "better, but perhaps by calibration alone"),
        (("wide", "wide", "another"), ": no significant difference."),
        (("wide", "wide", "worse"), ": the base is better, and should be used."),
    ],
)
def test_what_was_gained_and_by_what_is_told(versions, words):
    found = measured(*(predicted(**PREDICTED[name]) for name in versions))
    sentence = verdict(found, sample="mine.h5", n=N, all_kept=False)
    assert sentence.startswith("On 120 test galaxies of mine.h5, CRPS is 0.0")
    assert words in sentence


def test_kept_weights_are_told(gain):
    words = verdict(gain, sample="mine.h5", n=N, all_kept=True)
    assert words.endswith(
        ": no epoch improved the validation loss, so only the calibration is new."
    )
