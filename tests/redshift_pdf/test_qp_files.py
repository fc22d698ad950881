import dataclasses
import tracemalloc

import h5py
import numpy as np
import pytest
import qp

from pix2z.errors import InputError
from pix2z.redshift_pdf import density as pdf
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import COLUMNS, Predictions, columns_of, select
from pix2z.redshift_pdf.qp_files import pdf_writer, read_prediction_chunks
from tests.prediction_files import read_predictions, write_predictions

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


def test_columns_have_their_dtypes_and_one_of_another_length_is_refused():
    for name, dtype in COLUMNS.items():
        assert getattr(make(5), name).dtype == dtype
    with pytest.raises(ValueError, match=r"z_phot must have shape \(5,\); got \(3,\)"):
        dataclasses.replace(make(5), z_phot=np.zeros(3))


def test_what_is_written_is_read_by_qp_itself_too(tmp_path):
    predictions, path = make(10), tmp_path / "arm" / "pool.hdf5"
    write_predictions(path, predictions)
    again = read_predictions(path)
    assert again.grid == GRID
    np.testing.assert_allclose(again.density, predictions.density, rtol=3e-7)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(again, name), getattr(predictions, name))
    ensemble = qp.read(str(path))
    assert ensemble.gen_class.name == "hist"
    np.testing.assert_allclose(
        ensemble.cdf(predictions.z_spec[:, None])[:, 0],
        pdf.cdf_at(predictions.density, GRID, predictions.z_spec),
        atol=1e-6,
    )


def test_two_writes_give_the_same_bytes_and_a_failed_one_leaves_them(tmp_path, monkeypatch):
    path = tmp_path / "pool.hdf5"
    write_predictions(path, make(5))
    first = path.read_bytes()
    write_predictions(path, make(5))
    assert path.read_bytes() == first
    monkeypatch.setattr(qp.Ensemble, "writeHdf5Chunk", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_predictions(path, make(6))
    assert path.read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["pool.hdf5"]


def datasets(path):
    """Read every dataset of a file, in its order: name -> array."""
    with h5py.File(path) as file:
        return {f"{group}/{name}": file[group][name][...] for group in file for name in file[group]}


def test_chunks_are_written_as_qp_writes_the_whole(tmp_path):
    predictions = make(30)
    ensemble = qp.Ensemble(
        qp.hist,
        data={"bins": GRID.edges, "pdfs": predictions.density, "norm": False},
        ancil=columns_of(predictions),
    )
    ensemble.write_to(str(tmp_path / "once.hdf5"))
    with pdf_writer(tmp_path / "chunks.hdf5", GRID, n=30, columns=COLUMNS) as writer:
        for rows in (range(1), range(0), range(1, 30)):
            chunk = select(predictions, np.array(rows, int))
            writer.append(chunk.density, columns_of(chunk))
    once, chunks = datasets(tmp_path / "once.hdf5"), datasets(tmp_path / "chunks.hdf5")
    assert list(once) == list(chunks)
    for name, values in once.items():
        assert values.dtype == chunks[name].dtype, name
        np.testing.assert_array_equal(values, chunks[name])


def test_chunks_are_those_of_the_whole(tmp_path):
    write_predictions(tmp_path / "pool.hdf5", make(30))
    whole = read_predictions(tmp_path / "pool.hdf5")
    chunks = list(read_prediction_chunks(tmp_path / "pool.hdf5", chunk_rows=7))
    assert max(len(chunk) for chunk in chunks) == 7
    np.testing.assert_array_equal(np.concatenate([c.density for c in chunks]), whole.density)
    for name in COLUMNS:
        joined = np.concatenate([getattr(chunk, name) for chunk in chunks])
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_other_columns_are_written_in_their_dtypes(tmp_path):
    columns = {"object_id": np.int64, "pix2z_z_median": np.float64, "known": bool, "name": "S8"}
    given = {
        "object_id": [2**62 + 1, 3],
        "pix2z_z_median": [0.1, np.nan],
        "known": [True, False],
        "name": [b"M31", b"NGC 1068"],
    }
    with pdf_writer(tmp_path / "pdfs.hdf5", GRID, n=2, columns=columns) as writer:
        writer.append(make(2).density, given)
    ensemble = qp.read(str(tmp_path / "pdfs.hdf5"))
    np.testing.assert_allclose(ensemble.objdata["pdfs"], make(2).density, rtol=3e-7)
    found = datasets(tmp_path / "pdfs.hdf5")
    for name, dtype in columns.items():
        assert found[f"ancil/{name}"].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(found[f"ancil/{name}"], np.array(given[name], dtype))
    with pytest.raises(InputError, match="array 'ancil/row' is missing"):
        read_predictions(tmp_path / "pdfs.hdf5")


@pytest.mark.parametrize("sizes", [(3,), (5, 6)])
def test_another_number_of_rows_than_promised_writes_nothing(tmp_path, sizes):
    def write():
        with pdf_writer(tmp_path / "pool.hdf5", GRID, n=10, columns=COLUMNS) as writer:
            for size in sizes:
                writer.append(make(size).density, columns_of(make(size)))

    with pytest.raises(ValueError, match="expected 10 rows in all; got"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_the_file_is_refused(tmp_path):
    chunk, path = make(3), tmp_path / "pool.hdf5"
    columns = columns_of(chunk)
    with pdf_writer(path, GRID, n=3, columns=COLUMNS) as writer:
        with pytest.raises(ValueError, match=r"density must be \(b, 180\); got \(3, 179\)"):
            writer.append(chunk.density[:, 1:], columns)
        with pytest.raises(ValueError, match=r"mag_r must have shape \(3,\); got \(2,\)"):
            writer.append(chunk.density, columns | {"mag_r": [17.0, 18.0]})
        with pytest.raises(ValueError, match="expected columns"):
            writer.append(chunk.density, {"row": columns["row"]})
        writer.append(chunk.density, columns)
    assert len(read_predictions(path)) == 3


def test_pdfs_are_let_go_of_chunk_by_chunk(tmp_path):
    """Neither the writer nor the reader holds more as the file grows: qp's ensembles are cyclic."""

    def peak(n):
        path = tmp_path / f"{n}.hdf5"
        chunk = make(256)
        tracemalloc.start()
        with pdf_writer(path, GRID, n=n, columns=COLUMNS) as writer:
            for _ in range(n // 256):
                writer.append(chunk.density, columns_of(chunk))
        for _ in read_prediction_chunks(path, chunk_rows=256):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(256)  # what is imported at the first use
    small, large = peak(512), peak(3072)
    assert (large - small) / (3072 - 512) < 60  # bytes per galaxy; its PDF alone has 720


def edit(key, value):
    """Put another array in the place of one."""

    def change(file):
        del file[key]
        file[key] = value

    return change


DAMAGES = {
    "no such file": lambda path: path.unlink(),
    "not a qp file": lambda path: path.write_bytes(b"not HDF5"),
    "not a qp file .*truncated": lambda path: path.write_bytes(path.read_bytes()[:9000]),
}
FAULTS = {
    "array 'meta/bins' is missing; expected a qp hist file": lambda file: file.pop("meta"),
    "array 'ancil/z_phot' is missing": lambda file: file.pop("ancil/z_phot"),
    "not a qp file .*interp": edit("meta/pdf_name", np.array([b"interp"])),
    r"ancil/z_spec must be \(5,\); got \(7,\)": edit("ancil/z_spec", np.zeros(7)),
    "ancil/z_spec must hold numbers": edit("ancil/z_spec", np.full(5, b"a")),
    "meta/bins must be equally spaced": edit("meta/bins", GRID.edges[None] ** 2),
    "meta/bins must be at least three finite": edit("meta/bins", np.full((1, 181), np.nan)),
    "expected 181 edges in meta/bins; received 180": edit("meta/bins", np.linspace(0, 0.4, 180)),
    r"data/pdfs must be \(N, K\); got \(0, 180\)": edit("data/pdfs", np.zeros((0, 180))),
    "not a qp file .*cannot be properly normalized": edit("data/pdfs", np.full((5, 180), -1.0)),
}


@pytest.mark.parametrize("message", [*DAMAGES, *FAULTS])
def test_damaged_files_are_one_clear_line(tmp_path, message):
    path = tmp_path / "pool.hdf5"
    write_predictions(path, make(5))
    if message in DAMAGES:
        DAMAGES[message](path)
    else:
        with h5py.File(path, "r+") as file:
            FAULTS[message](file)
    with pytest.raises(InputError, match=rf"pool\.hdf5: {message}") as caught:
        list(read_prediction_chunks(path, chunk_rows=2))
    assert "\n" not in str(caught.value)


def test_pdfs_that_cannot_be_normalised_come_back_as_not_finite(tmp_path):
    path = tmp_path / "pool.hdf5"
    write_predictions(path, make(5))
    with h5py.File(path, "r+") as file:
        file["data/pdfs"][2] = 0.0
    finite = np.isfinite(read_predictions(path).density).all(axis=1)
    assert finite.tolist() == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("name", "n", "said"),
    [("pool.csv", 5, r"\.hdf5; got '\.csv'"), ("pool.hdf5", 0, "no galaxy to write")],
)
def test_other_names_and_empty_sets_are_refused(tmp_path, name, n, said):
    with pytest.raises(InputError, match=said):
        write_predictions(tmp_path / name, make(n))
