"""Every galaxy is set against itself, in whatever field it was put and found."""

from dataclasses import replace

import numpy as np
import pytest

from pix2z.dataset.photometry import magnitude
from pix2z.injection.galaxies import R
from pix2z.injection.report import injection_report
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.redshifts import image_flags, redshifts
from pix2z.sky.rendering import render
from tests.catalogue.conftest import PixelReader
from tests.field.planted import plant, write_field
from tests.injection.conftest import galaxies_of

N = 20
PER_MAGNITUDE = 0.1


class LightReader(PixelReader):
    """Reads the redshift off the r magnitude of a stamp, 0.1 per magnitude from r = 15 on."""

    digest = "by light"

    def estimate(self, images, ebv=None):
        z = PER_MAGNITUDE * (magnitude(np.nansum(images[..., R], axis=(1, 2))) - 15)
        density = np.full((len(z), self.grid.n_bins), 1e-6)
        inside = np.clip(np.nan_to_num(z), 0.005, 0.395)
        density[np.arange(len(z)), self.grid.bin_index(inside)] = 1 / self.grid.width
        flags = image_flags(images, ebv)
        return redshifts(density, Temperature(1.0), grid=self.grid, flags=flags)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Of galaxies from r = 15 to 17.4 in two fields, in another order than their redshifts."""
    folder = tmp_path_factory.mktemp("fields")
    fields = {}
    for number, name in enumerate(("one", "two")):
        (folder / name).mkdir()
        fields[name] = write_field(folder / name, plant(seed=5 + number), packed="")
    mag_r = np.random.default_rng(1).permutation(np.linspace(15, 17.4, N))
    galaxies = galaxies_of(N)
    light = 10 ** (-0.4 * (mag_r - galaxies.mag_r))[:, None]
    sources = replace(galaxies.sources, flux=galaxies.sources.flux * light)
    stamps = render(sources).transpose(0, 2, 3, 1)
    seen = magnitude(stamps[..., R].sum(axis=(1, 2)))
    galaxies = replace(galaxies, sources=sources, z=PER_MAGNITUDE * (seen - 15))
    return injection_report(LightReader(), stamps, galaxies, fields, [], seed=1)


def test_galaxies_that_are_found_are_set_against_their_own_redshifts(report):
    found = report["found"]
    assert (found["n_searched"], found["magnitudes"][-1]["n"]) == (N, N)
    assert found["n"] >= 14
    for version in ("clean", "real"):
        assert found[version]["outlier_005"]["value"] < 0.2
        assert abs(found[version]["bias_median"]["value"]) < 0.01


def test_every_galaxy_is_in_every_field_and_in_one_class_of_crowding(report):
    assert list(report["fields"]) == ["one", "two"]
    assert [field["n"] for field in report["fields"].values()] == [N, N]
    assert report["overall"]["n"] == 2 * N
    assert sum(one["n"] for one in report["crowding"].values()) == 2 * N
    of_fields = [field["real"]["mae"]["value"] for field in report["fields"].values()]
    assert report["overall"]["real"]["mae"]["value"] == pytest.approx(np.mean(of_fields))
    little, bright = (
        report["crowding"][name]["real"]["mae"]["value"] for name in ("little", "bright")
    )
    assert little < 0.02
    assert bright is None or bright > 2 * little
