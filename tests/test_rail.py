"""The informer and the estimator in RAIL itself."""

import json
import os
import pickle
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import qp

pytest.importorskip("rail.core", reason="`make rail` installs RAIL")

from rail.core.data import TableHandle
from rail.core.stage import RailPipeline
from rail.estimation.algos.point_est_hist import PointEstHistSummarizer

import pix2z
from pix2z.errors import InputError, IntegrityError
from pix2z.rail import Pix2zEstimator, Pix2zInformer

pytestmark = pytest.mark.long


@pytest.fixture
def model(trained_pool, tmp_path):
    return Pix2zInformer.make_stage(
        name="inform", pool=str(trained_pool), model=str(tmp_path / "model.json")
    ).inform()


def estimator(model, folder: Path, **options) -> Pix2zEstimator:
    return Pix2zEstimator.make_stage(
        name="estimate", model=model, output=str(folder / "z.hdf5"), **options
    )


@contextmanager
def no_pickle(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("pickled")

    with monkeypatch.context() as patch:
        for name in ("load", "loads", "dump", "dumps"):
            patch.setattr(pickle, name, refuse)
        yield


def expected(trained_pool, sample_path):
    with h5py.File(sample_path) as file:
        columns = {name: file[name][...] for name in ("object_id", "specz_redshift")}
        return columns, pix2z.load(trained_pool).estimate(file["images"][...], file["ebv"][...])


def test_galaxies_come_in_chunks_and_leave_as_one_ensemble(
    model, trained_pool, sample_path, tmp_path, monkeypatch
):
    sizes = []
    chunk = Pix2zEstimator._process_chunk

    def counted(self, start, end, data, first):
        sizes.append(len(data["images"]))
        chunk(self, start, end, data, first)

    monkeypatch.setattr(Pix2zEstimator, "_process_chunk", counted)
    with no_pickle(monkeypatch):
        output = estimator(model, tmp_path, chunk_size=300).estimate(sample_path)
    assert sizes == [300, 300, 200]
    assert Path(output.path).samefile(tmp_path / "z.hdf5")
    columns, found = expected(trained_pool, sample_path)
    ensemble = qp.read(str(tmp_path / "z.hdf5"))
    np.testing.assert_allclose(ensemble.objdata["pdfs"], found.density, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.ravel(ensemble.metadata["bins"]), found.grid.edges)
    for name, values in (("zmode", found.z_mode), ("zmean", found.z_mean)):
        np.testing.assert_allclose(ensemble.ancil[name], values, rtol=1e-5)
    np.testing.assert_allclose(ensemble.ancil["zmedian"], found.z_median, rtol=1e-5)
    np.testing.assert_array_equal(ensemble.ancil["id"], columns["object_id"])
    np.testing.assert_allclose(ensemble.ancil["redshift"], columns["specz_redshift"])
    np.testing.assert_array_equal(ensemble.ancil["pix2z_flags"], found.flags)


def test_a_handle_and_arrays_in_memory_do_as_well(model, trained_pool, sample_path, tmp_path):
    _, found = expected(trained_pool, sample_path)
    handle = TableHandle("galaxies", path=str(sample_path))
    by_handle = estimator(model, tmp_path, chunk_size=500).estimate(handle)()
    with h5py.File(sample_path) as file:
        arrays = {name: file[name][...] for name in ("images", "ebv")}
    in_memory = estimator(model, tmp_path, output_mode="return").estimate(arrays)()
    for ensemble in (by_handle, in_memory):
        np.testing.assert_allclose(ensemble.ancil["zmedian"], found.z_median, rtol=1e-5)


def test_the_next_stage_gets_all_chunks(model, sample_path, tmp_path):
    output = estimator(model, tmp_path, chunk_size=300).estimate(sample_path)
    assert output.read().npdf == 800
    output = estimator(model, tmp_path, chunk_size=300).estimate(sample_path)
    summarizer = PointEstHistSummarizer.make_stage(
        name="summarize", zmin=0.0, zmax=0.4, output_mode="return"
    )
    summarizer.summarize(output)
    summary = summarizer.get_handle("single_NZ").data
    assert int(np.squeeze(summary.ancil["n_objects"])) == 800


def test_the_model_is_json_that_names_the_pool(model, trained_pool, tmp_path):
    named = json.loads((tmp_path / "model.json").read_text())
    assert named == {
        "pool": str(trained_pool.resolve()),
        "digest": json.loads((trained_pool / "pool.json").read_text())["digest"],
    }


def test_another_pool_in_its_place_is_refused(model, sample_path, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"digest": "0" * 64}))
    with pytest.raises(IntegrityError, match="expected the pool 0000"):
        estimator(str(path), tmp_path).estimate(sample_path)
    assert not (tmp_path / "z.hdf5").exists()


def test_a_pickle_is_no_model(sample_path, tmp_path):
    with (tmp_path / "model.pkl").open("wb") as file:
        pickle.dump({"pool": "full", "digest": "0"}, file)
    with pytest.raises(InputError, match=r"model\.pkl"):
        estimator(str(tmp_path / "model.pkl"), tmp_path).estimate(sample_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(InputError, match="expected the keys pool and digest"):
        estimator(str(tmp_path / "model.json"), tmp_path).estimate(sample_path)


def test_arrays_of_a_users_file_are_found_by_mapping(model, trained_pool, sample_path, tmp_path):
    with h5py.File(sample_path) as file, h5py.File(tmp_path / "mine.h5", "w") as mine:
        mine["stamps"], mine["dust"] = file["images"][:50], file["ebv"][:50]
    mapping = {"images": "stamps", "ebv": "dust", "unit": "nanomaggy"}
    found = estimator(model, tmp_path, mapping=mapping).estimate(tmp_path / "mine.h5")()
    _, direct = expected(trained_pool, sample_path)
    np.testing.assert_allclose(found.ancil["zmedian"], direct.z_median[:50], rtol=1e-5)
    with pytest.raises(InputError, match=r"^Pix2zEstimator: mapping: hdf5\.nonsense: [^\n]*$"):
        estimator(model, tmp_path, mapping={"nonsense": "x"}).estimate(tmp_path / "mine.h5")


@pytest.mark.parametrize("option", ["zmin", "nzbins", "hdf5_groupname"])
def test_options_of_other_estimators_are_refused(model, tmp_path, option):
    with pytest.raises(InputError, match=f"{option}: expected no such option"):
        estimator(model, tmp_path, **{option: 1})


def test_a_pipeline_runs_both_in_processes_of_their_own(trained_pool, sample_path, tmp_path):
    class Redshifts(RailPipeline):
        def __init__(self):
            super().__init__()
            self.inform = Pix2zInformer.build(pool=str(trained_pool))
            self.estimate = Pix2zEstimator.build(connections={"model": self.inform.io.model})

    pipeline = Redshifts()
    folders = {"output_dir": str(tmp_path), "log_dir": str(tmp_path), "resume": False}
    pipeline.initialize({"input": str(sample_path)}, folders, None)
    pipeline.save(str(tmp_path / "pipeline.yml"))
    ceci = "import sys; from ceci.main import main; sys.exit(main())"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        [sys.executable, "-c", ceci, "pipeline.yml"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    logs = "".join(log.read_text() for log in tmp_path.glob("*.out"))
    assert run.returncode == 0, f"{run.stdout}{run.stderr}{logs}"
    _, found = expected(trained_pool, sample_path)
    zmedian = qp.read(str(tmp_path / "output_estimate.hdf5")).ancil["zmedian"]
    np.testing.assert_allclose(zmedian, found.z_median, rtol=1e-5)
