import h5py
import numpy as np
import pytest
import qp

from pix2z.errors import InputError
from pix2z.redshift_pdf import density as pdf
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import COLUMNS, Predictions
from pix2z.redshift_pdf.qp_files import read_predictions, write_predictions

GRID = RedshiftGrid(z_min=0.0, z_max=0.4, n_bins=180)


def make(n):
    rng = np.random.default_rng(n)
    return Predictions(
        grid=GRID,
        density=pdf.normalise(rng.gamma(0.3, size=(n, GRID.n_bins)) + 1e-9, GRID),
        row=np.arange(n) * 3,
        object_id=2**62 + np.arange(n),
        group_id=np.arange(n),
        z_spec=rng.uniform(0, 0.4, n),
        z_phot=rng.uniform(0, 0.4, n),
        mag_r=rng.uniform(14, 18, n),
        ebv=rng.uniform(0, 0.1, n),
    )


@pytest.mark.parametrize("n", [1, 2, 30])
def test_what_is_written_is_read(tmp_path, n):
    predictions = make(n)
    write_predictions(tmp_path / "arm" / "pool.hdf5", predictions)
    again = read_predictions(tmp_path / "arm" / "pool.hdf5")
    assert again.grid == GRID
    np.testing.assert_allclose(again.density, predictions.density, rtol=3e-7)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(again, name), getattr(predictions, name))


def test_qp_itself_reads_the_file(tmp_path):
    predictions = make(10)
    write_predictions(tmp_path / "pool.hdf5", predictions)
    ensemble = qp.read(str(tmp_path / "pool.hdf5"))
    assert ensemble.gen_class.name == "hist"
    np.testing.assert_allclose(
        ensemble.cdf(predictions.z_spec[:, None])[:, 0],
        pdf.cdf_at(predictions.density, GRID, predictions.z_spec),
        atol=1e-6,
    )


def test_two_writes_give_the_same_bytes_and_leave_no_temporary(tmp_path):
    path = tmp_path / "pool.hdf5"
    write_predictions(path, make(5))
    first = path.read_bytes()
    write_predictions(path, make(5))
    assert path.read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["pool.hdf5"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "pool.hdf5"
    write_predictions(path, make(5))
    before = path.read_bytes()
    monkeypatch.setattr(qp.Ensemble, "write_to", lambda self, name: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_predictions(path, make(6))
    assert path.read_bytes() == before


def test_faulty_files_are_named(tmp_path):
    path = tmp_path / "pool.hdf5"
    with pytest.raises(InputError, match=r"pool\.hdf5: no such file"):
        read_predictions(path)
    path.write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"pool\.hdf5: not a qp file"):
        read_predictions(path)
    path.unlink()
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(3)
    with pytest.raises(InputError, match=r"pool\.hdf5: .*expected a qp hist file"):
        read_predictions(path)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "pool.hdf5"
    write_predictions(path, make(5))
    with h5py.File(path, "r+") as file:
        del file["ancil/z_phot"]
    with pytest.raises(InputError, match=r"pool\.hdf5: array 'z_phot' is missing"):
        read_predictions(path)


def test_bins_of_unequal_width_are_refused(tmp_path):
    path = tmp_path / "pool.hdf5"
    write_predictions(path, make(5))
    with h5py.File(path, "r+") as file:
        file["meta/bins"][0, 3] += 0.001
    with pytest.raises(InputError, match="equally spaced"):
        read_predictions(path)


def test_only_hdf5_names_are_written(tmp_path):
    with pytest.raises(InputError, match=r"\.hdf5; got '\.csv'"):
        write_predictions(tmp_path / "pool.csv", make(5))


def test_an_empty_set_of_predictions_is_refused(tmp_path):
    with pytest.raises(InputError, match="no galaxy to write"):
        write_predictions(tmp_path / "pool.hdf5", make(0))
