import numpy as np
import pytest

from pix2z.errors import IntegrityError
from pix2z.imaging import EXTINCTION_PER_EBV
from pix2z.sky.parents import parents_path, read_catalogue


def test_cuts_are_counted_and_leave_the_population_of_the_main_galaxy_sample(parents):
    assert len(parents) == len(np.unique(parents.index)) == 9803
    assert list(parents.cuts.values()) == [12, 2, 188]  # a row may fail several
    assert parents.petro_r.max() <= 17.8
    assert 0.003 < parents.z.min() < parents.z.max() < 0.4
    assert (parents.flux > 0).all()
    # The whole catalogue has 0.1091 and 0.0576; the faint rows that are cut lie farther away.
    assert parents.z.mean() == pytest.approx(0.1064, abs=5e-4)
    assert parents.z.std() == pytest.approx(0.0530, abs=1e-3)
    assert np.median(parents.absolute_r) == pytest.approx(-21.5, abs=0.5)


def test_smoothed_fluxes_follow_the_measured_ones(parents):
    catalogue = read_catalogue(parents_path())
    dereddened = catalogue["MODELFLUX"] * 10 ** (0.4 * catalogue["EXTINCTION"])
    ratio = parents.flux / dereddened[parents.index]
    assert np.abs(np.median(ratio, axis=0) - 1).max() < 0.025
    scatter = 1.4826 * np.median(np.abs(ratio - np.median(ratio, axis=0)), axis=0)
    assert (scatter < [0.05, 0.01, 0.01, 0.01, 0.02]).all()


def test_ebv_is_that_of_every_band(parents):
    extinction = read_catalogue(parents_path())["EXTINCTION"][parents.index]
    for band, coefficient in enumerate(EXTINCTION_PER_EBV):
        np.testing.assert_allclose(extinction[:, band] / coefficient, parents.ebv, rtol=1e-3)


def test_another_file_is_refused(tmp_path):
    changed = tmp_path / "gst.fits"
    changed.write_bytes(parents_path().read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=r"gst\.fits: expected SHA-256 d7e87e8a"):
        read_catalogue(changed)
