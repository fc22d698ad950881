import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from pix2z.config.networks import HybridConfig
from pix2z.errors import InputError
from pix2z.tuning.space import HYBRID_SPACE, around, decoded, encoded


def test_every_dimension_is_a_setting_of_the_hybrid_whose_default_is_inside():
    baseline = HybridConfig.read("params.yaml").model_dump()
    assert set(around(HYBRID_SPACE, baseline)) == set(HYBRID_SPACE) <= set(baseline)


def test_stored_settings_come_back_as_they_were():
    settings = {"a": (128, 64), "b": (32,), "c": (), "rate": 0.25}
    assert decoded(encoded(settings)) == settings


def test_the_baseline_widths_join_the_choices_once():
    space = {"widths": CategoricalDistribution(("8", "16"))}
    assert around(space, {"widths": [32]})["widths"].choices == ("8", "16", "32")
    assert around(space, {"widths": [16]})["widths"].choices == ("8", "16")


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_baseline_out_of_range_is_named(value):
    with pytest.raises(InputError, match=r"hybrid\.rate: .* between 0.1 and 1.0"):
        around({"rate": FloatDistribution(0.1, 1.0, log=True)}, {"rate": value})
