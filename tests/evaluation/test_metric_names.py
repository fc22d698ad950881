import pytest

from pix2z.evaluation.metric_names import METRICS, format_difference, format_value
from pix2z.evaluation.pdf_metrics import pdf_metrics
from pix2z.evaluation.point_metrics import point_metrics


def test_every_metric_of_the_comparison_is_measured(predictions):
    sample = predictions(20)
    measured = point_metrics(sample.z_phot, sample.z_spec)
    measured |= pdf_metrics(sample.density, sample.grid, sample.z_spec)
    assert set(METRICS) <= set(measured)
    assert {name for name in measured if not name.startswith("seed_")} <= set(METRICS)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("mae", 0.012345, "0.01235"),
        ("mae", -0.000001, "0.00000"),
        ("outlier_005", 0.0123, "1.23 %"),
        ("coverage_68", None, "–"),
    ],
)
def test_values_are_written_in_their_own_digits(metric, value, text):
    assert format_value(metric, value) == text


def test_differences_carry_their_unit():
    assert format_difference("crps", -0.00123) == "0.00123 in redshift"
    assert format_difference("outlier_005", 0.01) == "1.00 percentage points"
