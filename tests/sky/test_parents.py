from pathlib import Path

import numpy as np
import pytest

from pix2z.errors import InputError, IntegrityError
from pix2z.sky.parents import Parents, load_parents, parents_path, read_catalogue
from pix2z.sky.templates import TemplateGrid


def test_cuts_are_counted(parents: Parents) -> None:
    assert len(parents) == 9803
    assert list(parents.cuts.values()) == [12, 2, 188]  # a row may fail several


def test_parents_are_a_clean_sample(parents: Parents) -> None:
    assert (parents.petro_r <= 17.8).all()
    assert (parents.z > 0.003).all()
    assert (parents.z < 0.4).all()
    assert (parents.flux > 0).all()
    assert len(np.unique(parents.index)) == len(parents)


def test_population_is_that_of_the_main_galaxy_sample(parents: Parents) -> None:
    # The whole catalogue has 0.1091 and 0.0576; the faint rows that are cut lie farther away.
    assert parents.z.mean() == pytest.approx(0.1064, abs=5e-4)
    assert parents.z.std() == pytest.approx(0.0530, abs=1e-3)
    assert np.median(parents.absolute_r) == pytest.approx(-21.5, abs=0.5)


def test_another_limit_keeps_fewer(grid: TemplateGrid, parents: Parents) -> None:
    brighter = load_parents(grid, faint_limit=16.5)
    assert set(brighter.index) == set(parents.index[parents.petro_r <= 16.5])


def test_smoothed_fluxes_follow_the_measured_ones(parents: Parents) -> None:
    catalogue = read_catalogue()
    dereddened = catalogue["MODELFLUX"] * 10 ** (0.4 * catalogue["EXTINCTION"])
    ratio = parents.flux / dereddened[parents.index]
    assert np.abs(np.median(ratio, axis=0) - 1).max() < 0.025
    scatter = 1.4826 * np.median(np.abs(ratio - np.median(ratio, axis=0)), axis=0)
    assert (scatter < [0.05, 0.01, 0.01, 0.01, 0.02]).all()


def test_ebv_is_that_of_every_band(parents: Parents) -> None:
    extinction = read_catalogue()["EXTINCTION"][parents.index]
    for band, coefficient in enumerate((5.155, 3.793, 2.751, 2.086, 1.479)):
        np.testing.assert_allclose(extinction[:, band] / coefficient, parents.ebv, rtol=1e-3)


def test_another_file_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "gst.fits"
    changed.write_bytes(parents_path().read_bytes()[:-1])
    with pytest.raises(IntegrityError, match=r"gst\.fits: expected SHA-256 d7e87e8a"):
        read_catalogue(changed)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.fits: cannot be read"):
        read_catalogue(tmp_path / "nowhere.fits")
