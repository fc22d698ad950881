"""Names of arms that something else in the registry has already."""

from pathlib import Path

import pytest
import yaml

from pix2z.config.arms import SPECTRUM_MODEL, read_arms
from pix2z.config.spectrum import read_spectrum_arms
from pix2z.errors import ParamsError

SHIPPED = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def renamed(tmp_path):
    """Write params.yaml with the arm `full` of a section renamed."""

    def write(section: str, name: str) -> Path:
        params = yaml.safe_load(SHIPPED.read_text())
        params[section][name] = params[section].pop("full")
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(params))
        return path

    return write


def test_an_arm_does_not_take_the_model_of_the_spectrum_networks(renamed):
    with pytest.raises(ParamsError, match=f"arms.spectrum: {SPECTRUM_MODEL} is the model of"):
        read_arms(renamed("arms", "spectrum"))
    assert "spectra" in read_arms(renamed("arms", "spectra"))


@pytest.mark.parametrize("name", ["latest", "V2", "with space", ""])
def test_a_spectrum_arm_is_an_alias(renamed, name):
    with pytest.raises(ParamsError, match="params.yaml: spectrum_arms.*expected a name of letters"):
        read_spectrum_arms(renamed("spectrum_arms", name))
    assert "v2b" in read_spectrum_arms(renamed("spectrum_arms", "v2b"))
