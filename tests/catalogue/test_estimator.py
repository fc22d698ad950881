"""What ``import pix2z`` offers."""

import pydoc
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import pix2z
from pix2z.catalogue.estimator import load_pool
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.redshift_pdf.redshifts import COLUMNS
from tests.conftest import LACKS

HEAVY = ("tensorflow", "keras", "mlflow", "matplotlib", "numpy", "pandas", "h5py", "qp")


@pytest.fixture(scope="module")
def estimator(trained_pool):
    return pix2z.load(trained_pool)


@pytest.fixture(scope="module")
def stamps(sample_path):
    """Images and E(B-V) of 20 galaxies; the fourth is blank in every band."""
    with open_galaxies(sample_path) as galaxies:
        rows = np.arange(20)
        images, ebv = galaxies.images(rows), galaxies.column("ebv", rows)
    images[3] = np.nan
    return images, ebv


def test_the_import_is_light():
    code = f"import sys, pix2z; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_public_names_are_there_and_no_others():
    assert dir(pix2z) == sorted(pix2z.__all__)
    assert all(getattr(pix2z, name) for name in pix2z.__all__)
    with pytest.raises(AttributeError, match="'pix2z' has no attribute 'predict'"):
        _ = pix2z.predict


def test_a_model_is_loaded_by_name_and_by_folder(trained_pool, estimator, monkeypatch):
    monkeypatch.chdir(trained_pool.parent.parent)
    by_name = pix2z.load("full")
    assert isinstance(by_name, pix2z.Estimator)
    assert by_name.digest == estimator.digest == load_pool(trained_pool).digest
    with pytest.raises(InputError, match="model 'none': not found; expected one of full"):
        pix2z.load("none")


def test_help_of_a_loaded_model_says_what_it_takes():
    said = pydoc.plain(pydoc.render_doc(pix2z.load("student").estimate))
    for word in ("bands u g r i z last", "masked", "all 0", "Quantity", "E(B-V)", "InputError"):
        assert word in said


def test_estimates_are_those_of_the_pool_and_blank_galaxies_have_none(
    estimator, stamps, trained_pool
):
    images, ebv = stamps
    redshifts = estimator.estimate(images, ebv)
    assert isinstance(redshifts, pix2z.Redshifts)
    assert len(redshifts) == 20
    direct = load_pool(trained_pool).estimate(images, ebv)
    kept = np.arange(20) != 3
    np.testing.assert_array_equal(redshifts.z_median[kept], direct.z_median[kept])
    assert np.isnan(redshifts.z_median[3])
    assert (redshifts.flags & LACKS).tolist() == [9 if row == 3 else 0 for row in range(20)]
    np.testing.assert_allclose(
        (redshifts.pdf.density[kept] * redshifts.pdf.grid.width).sum(axis=1), 1.0
    )
    assert redshifts.pdf.z.shape == (60,)


def test_the_table_has_the_columns_of_predict(estimator, stamps):
    table = estimator.estimate(*stamps).to_pandas()
    assert list(table) == list(COLUMNS)
    assert [table[name].dtype for name in COLUMNS] == [c.dtype for c in COLUMNS.values()]
    assert table["object_id"].tolist() == list(range(20))
    assert table["pix2z_flags"][3] == 9
    named = estimator.estimate(*stamps).to_pandas(object_id=np.arange(20) + 7)
    pd.testing.assert_frame_equal(named.iloc[:, 1:], table.iloc[:, 1:])
    assert named["object_id"][0] == 7


def test_ebv_may_be_one_value_none_or_unknown(estimator, stamps):
    images = stamps[0][:2]
    one, each = (estimator.estimate(images, ebv).z_mean for ebv in (0.1, [0.1, 0.1]))
    np.testing.assert_array_equal(one, each)
    assert (estimator.estimate(images).flags & LACKS).tolist() == [4, 4]
    assert (estimator.estimate(images, [0.1, -1.0]).flags & LACKS).tolist() == [0, 4]
    assert len(estimator.estimate(images[:0])) == 0


@pytest.mark.parametrize(
    ("images", "ebv", "words"),
    [
        (np.zeros((2, 5, 32, 32)), None, r"images: expected shape \(N, 32, 32, 5\); received \(2,"),
        (np.zeros((2, 32, 32, 5), complex), None, "images: expected real numbers; received an arr"),
        (np.zeros((2, 32, 32, 5)), np.zeros(3), r"ebv: expected shape \(2,\); received \(3,\)"),
    ],
)
def test_other_arrays_are_refused_in_one_line(estimator, images, ebv, words):
    with pytest.raises(InputError, match=words):
        estimator.estimate(images, ebv)
