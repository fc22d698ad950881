import pytest

from pix2z.config.networks import HybridConfig
from pix2z.errors import InputError
from pix2z.tuning.space import HYBRID_SPACE, Choice, Real, around, decode, encode


def test_every_dimension_is_a_setting_of_the_hybrid_whose_default_is_inside():
    baseline = HybridConfig.read("params.yaml").model_dump()
    assert set(around(HYBRID_SPACE, baseline)) == set(HYBRID_SPACE) <= set(baseline)


def test_a_stored_setting_comes_back_as_it_was():
    widths = Choice(((128, 64), (32,), ()))
    assert len({encode(option) for option in widths.options}) == 3
    for option in widths.options:
        assert decode(widths, encode(option)) == option
    assert decode(Real(0.0, 1.0), encode(0.25)) == 0.25


def test_the_baseline_widths_join_the_choices_once():
    space = {"widths": Choice(((8,), (16,)))}
    assert around(space, {"widths": [32]})["widths"].options == ((8,), (16,), (32,))
    assert around(space, {"widths": [16]})["widths"].options == ((8,), (16,))


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_baseline_out_of_range_is_named(value):
    with pytest.raises(InputError, match=r"hybrid\.rate: .* between 0.1 and 1.0"):
        around({"rate": Real(0.1, 1.0, log=True)}, {"rate": value})
