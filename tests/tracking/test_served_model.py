"""A version of a trained pool, loaded back as anybody would."""

import io
import json
import pickle
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from mlflow.exceptions import MlflowException

from pix2z.dataset.stamps import LARGEST_EBV
from pix2z.errors import IntegrityError, Pix2zError
from pix2z.imaging import LARGEST_PIXEL
from pix2z.tracking.packaging import save_model
from tests.conftest import LACKS

EBV = [0.01, 0.02, 0.03, None, 0.05]


@pytest.fixture(scope="module")
def saved(trained_pool, tmp_path_factory) -> Path:
    """What the registry keeps of the pool; never altered."""
    folder = tmp_path_factory.mktemp("saved") / "version"
    save_model(folder, trained_pool)
    return folder


@pytest.fixture(scope="module")
def model(saved):
    """The loaded version."""
    return mlflow.pyfunc.load_model(str(saved))


@pytest.fixture
def version(saved, tmp_path) -> Path:
    """A copy to alter."""
    return Path(shutil.copytree(saved, tmp_path / "version"))


@pytest.fixture
def load(version) -> Callable:
    return lambda: mlflow.pyfunc.load_model(str(version))


@pytest.fixture(scope="module")
def expected(trained_pool, images):
    from pix2z.catalogue.estimator import load_pool

    return load_pool(trained_pool).estimate(images, np.array(EBV, np.float64))


def test_the_loaded_version_answers_as_the_pool_does(model, images, expected):
    rows = model.predict(images, params={"ebv": np.array(EBV, np.float64).tolist()})
    outputs = [column for column in model.metadata.signature.outputs if column.required]
    assert list(rows.columns) == [column.name for column in outputs]
    np.testing.assert_allclose(rows["z_median"], expected.z_median, rtol=1e-5)
    np.testing.assert_allclose(rows["z_best"], expected.z_phot, rtol=1e-5)
    np.testing.assert_allclose(rows["z_err68_low"], expected.err68_low, rtol=1e-5)
    np.testing.assert_allclose(rows["z_err95_high"], expected.err95_high, rtol=1e-5)
    assert list(rows["pix2z_flags"] & LACKS) == [0, 1, 2, 4, 0]
    without = model.predict(images)
    assert (without["pix2z_flags"] & 4).all()
    assert not np.array_equal(without["z_median"], rows["z_median"])


def test_pdfs_come_with_their_bins_where_they_are_asked_for(model, images, expected):
    rows = model.predict({"images": images, "ebv": EBV, "pdf": True})
    assert list(rows.columns) == [column.name for column in model.metadata.signature.outputs]
    np.testing.assert_allclose(np.stack(rows["pdf"]), expected.density, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.stack(rows["pdf_z"]), [expected.grid.centres] * 5)


def test_a_blank_galaxy_is_null_in_json_and_leaves_the_others_alone(model, images):
    from mlflow.pyfunc.scoring_server import predictions_to_json

    alone, sent = model.predict(images[[0, 3]]), io.StringIO()
    blank = np.full_like(images[:1], np.inf)
    asked = {"images": np.concatenate([images[[0, 3]], blank]), "pdf": True}
    predictions_to_json(model.predict(asked), sent)
    rows = json.loads(sent.getvalue(), parse_constant=pytest.fail)["predictions"]
    assert [row["pix2z_flags"] & LACKS for row in rows] == [4, 4, 1 + 4 + 8]
    found = [row["z_median"] for row in rows]
    np.testing.assert_allclose(found[:2], alone["z_median"], rtol=1e-5)
    assert found[2] is rows[2]["pdf"] is None
    assert len(rows[2]["pdf_z"]) == len(rows[0]["pdf"])


def test_what_was_never_measured_has_the_answer_of_the_pool(model, images, trained_pool):
    from pix2z.catalogue.estimator import load_pool

    dirty, ebv = images.copy(), [0.1, 99.0, -99.0, np.inf, 0.1]
    dirty[0, ..., 0], dirty[4, 2, 2, 2] = 0, 1e30
    expected = load_pool(trained_pool).estimate(dirty, ebv)
    rows = model.predict({"images": dirty, "ebv": ebv})
    assert list(rows["pix2z_flags"]) == list(expected.flags)
    assert list(expected.flags & LACKS) == [1, 5, 6, 4, 2]
    np.testing.assert_allclose(rows["z_median"], expected.z_median, rtol=1e-5)


def test_the_brightest_and_reddest_have_redshifts(model):
    brightest = np.full((2, 32, 32, 5), LARGEST_PIXEL)
    brightest[1] *= -1
    rows = model.predict({"images": brightest, "ebv": [LARGEST_EBV, LARGEST_EBV], "pdf": True})
    assert np.isfinite(np.stack(rows["pdf"])).all()


def test_a_failure_of_the_model_keeps_its_reason_to_itself(model, images, monkeypatch, caplog):
    monkeypatch.setattr(model.unwrap_python_model(), "estimator", None)
    with pytest.raises(MlflowException, match="The model failed") as failure:
        model.predict(images)
    assert failure.value.get_http_status_code() == 500
    assert "NoneType" not in failure.value.serialize_as_json()
    assert "NoneType" in caplog.text


def other_graph(pool: Path) -> None:
    graph = pool / "pool.onnx"
    content = bytearray(graph.read_bytes())
    content[-1] ^= 1
    graph.write_bytes(content)


def other_words(pool: Path) -> None:
    described = json.loads((pool / "pool.json").read_text())
    described["calibration"]["temperature"] = 2.0
    (pool / "pool.json").write_text(json.dumps(described))


def other_pool(pool: Path) -> None:
    """Each of its files matches its digest, but it is not the pool of this version."""
    from pix2z.network.pool import save_pool
    from pix2z.redshift_pdf.calibration import Temperature

    save_pool(pool, ["seed-1"], Temperature(1.1))


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (other_graph, "pool.onnx: does not match its digest in pool.json"),
        (other_words, "pool.json: content does not match its digest"),
        (other_pool, "not the pool that was registered"),
    ],
)
def test_an_altered_version_does_not_load(version, load, alter, words):
    alter(version / "artifacts/pool")
    with pytest.raises(IntegrityError, match=words):
        load()


@pytest.mark.parametrize("escape", ["absolute", "folder", "file"])
def test_files_outside_the_version_are_not_loaded(version, load, trained_pool, escape):
    inside, weights = version / "artifacts/pool", "seed-2/weights.weights.h5"
    if escape == "absolute":
        described = (version / "MLmodel").read_text()
        assert "path: artifacts/pool\n" in described
        described = described.replace("path: artifacts/pool\n", f"path: {trained_pool}\n")
        (version / "MLmodel").write_text(described)
    elif escape == "folder":
        shutil.rmtree(inside)
        inside.symlink_to(trained_pool)
    else:
        (inside / weights).unlink()
        (inside / weights).symlink_to(trained_pool / weights)
    with pytest.raises(IntegrityError, match="outside the folder of the model"):
        load()


class Payload:
    """What a pickle can do: run anything while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def pickled(version, tmp_path) -> Path:
    """Put a pickle in the place of the version's code; return the file that reading it makes."""
    path, ran = version / "MLmodel", tmp_path / "ran"
    described = yaml.safe_load(path.read_text())
    flavor = described["flavors"]["python_function"]
    del flavor["model_code_path"]
    flavor["python_model"], flavor["cloudpickle_version"] = "python_model.pkl", "3"
    path.write_text(yaml.safe_dump(described))
    (version / "python_model.pkl").write_bytes(pickle.dumps(Payload(ran)))
    return ran


def test_a_version_that_holds_a_pickle_is_not_loaded(pickled, load):
    with pytest.raises(MlflowException, match="(?i)pickle"):
        load()
    assert not pickled.exists()


def test_the_pickle_of_these_tests_would_run(pickled, load, monkeypatch):
    """Where MLflow is told to load it: else the tests beside this one prove nothing."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    with suppress(Exception):
        load()
    assert pickled.exists()


def test_a_version_that_holds_a_pickle_is_not_served(pickled, version):
    from pix2z.tracking.serving import free_port, running

    port = free_port("127.0.0.1", 0)
    with (
        pytest.raises(Pix2zError, match="(?i)pickle"),
        running(version, host="127.0.0.1", port=port, workers=1),
    ):
        pytest.fail("it answers")
    assert not pickled.exists()


def test_a_version_is_code_weights_and_json_with_pinned_requirements(saved, trained_pool):
    for path in (saved / "artifacts/pool").rglob("*.*"):
        original = trained_pool / path.relative_to(saved / "artifacts/pool")
        assert path.read_bytes() == original.read_bytes()
    suffixes = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".npy", ".joblib", ".pt"}
    assert "python_model" not in (saved / "MLmodel").read_text()
    lines = (saved / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines)
