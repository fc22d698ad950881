"""The registered model, loaded back as anybody would, with a real pool of untrained networks."""

import base64
import json
import pickle
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pix2z.tracking.packaging import ensure_versions
from pix2z.tracking.store import open_store


@pytest.fixture
def version(root, tiny_record, client) -> Path:
    """The registered version's folder."""
    store = open_store()
    run = client.create_run(store.experiments["pix2z-train"])
    ensure_versions(store, [replace(tiny_record, run_id=run.info.run_id)])
    return Path(client.get_model_version_download_uri("pix2z-full", "1").removeprefix("file://"))


@pytest.fixture
def load(version):
    """Load the version."""
    import mlflow

    return lambda: mlflow.pyfunc.load_model(str(version))


@pytest.fixture
def images() -> np.ndarray:
    rng = np.random.default_rng(1)
    images = rng.normal(0.1, 0.05, (5, 32, 32, 5)).astype(np.float32)
    images[1, :, :, 0] = np.nan
    images[2, :4] = np.nan
    return images


@pytest.fixture
def expected(tiny_pool, images):
    from pix2z.network.estimator import load_pool

    return load_pool(tiny_pool).estimate(images, np.array([0.01, 0.02, 0.03, np.nan, 0.05]))


def test_the_loaded_version_answers_as_the_pool_does(load, images, expected):
    model = load()
    ebv = [0.01, 0.02, 0.03, float("nan"), 0.05]
    found = model.predict(images, params={"ebv": ebv})
    outputs = [column for column in model.metadata.signature.outputs if column.required]
    assert list(found.columns) == [column.name for column in outputs]
    np.testing.assert_allclose(found["z_median"], expected.z_median, rtol=1e-6)
    np.testing.assert_allclose(found["z_err68_low"], expected.err68_low, rtol=1e-6)
    np.testing.assert_allclose(found["z_err95_high"], expected.err95_high, rtol=1e-6)
    assert list(found["flags"]) == [0, 1, 2, 4, 0]

    without = model.predict(images)
    assert (without["flags"] & 4).all()
    assert not np.array_equal(without["z_median"], found["z_median"])


def test_every_form_of_input_gives_the_same_answer(load, images, expected):
    model = load()
    ebv = [0.01, 0.02, 0.03, None, 0.05]
    text = base64.b64encode(images.astype("<f4").tobytes()).decode()
    lists = np.where(np.isnan(images), None, images).tolist()
    for form in (images, images.astype(np.float64), text, lists):
        found = model.predict({"images": form, "ebv": ebv})
        np.testing.assert_allclose(found["z_mean"], expected.z_mean, rtol=1e-6)
        np.testing.assert_array_equal(
            found["z_mean"], model.predict(form, params={"ebv": ebv}).z_mean
        )


def test_pdfs_come_with_their_bins_where_they_are_asked_for(load, images, expected):
    model = load()
    found = model.predict({"images": images, "ebv": [0.01, 0.02, 0.03, None, 0.05], "pdf": True})
    assert list(found.columns) == [column.name for column in model.metadata.signature.outputs]
    np.testing.assert_allclose(np.stack(found["pdf"]), expected.density, rtol=1e-5)
    for centres in found["pdf_z"]:
        np.testing.assert_array_equal(centres, expected.grid.centres)


def test_a_blank_galaxy_is_flagged_and_leaves_the_others_alone(load, images):
    model = load()
    found = model.predict(images[[0, 3]])
    blank = np.full_like(images[:1], np.inf)
    beside = model.predict(np.concatenate([images[[0, 3]], blank]))
    assert list(beside["flags"]) == [4, 4, 1 + 4 + 8]
    np.testing.assert_allclose(beside["z_median"][:2], found["z_median"], rtol=1e-6)
    assert np.isfinite(beside["z_median"]).all()


def test_the_brightest_and_reddest_that_are_taken_have_redshifts(load):
    """What would overflow in the network is refused before."""
    from pix2z.tracking.serving.request import LARGEST_EBV, LARGEST_PIXEL, RequestError

    model = load()
    brightest = np.full((2, 32, 32, 5), LARGEST_PIXEL)
    brightest[1] *= -1
    found = model.predict({"images": brightest, "ebv": [LARGEST_EBV, LARGEST_EBV], "pdf": True})
    assert np.isfinite(np.stack(found["pdf"])).all()
    with pytest.raises(RequestError, match="images\\[0\\] has a pixel beyond 1,000,000"):
        model.predict(1.01 * brightest)


def test_images_of_another_shape_are_refused(load, images):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="32, 32, 5"):
        load().predict(images[:, :16])


def test_a_failure_of_the_model_keeps_its_reason_to_itself(load, images, monkeypatch, caplog):
    from mlflow.exceptions import MlflowException

    model = load()
    served = model.unwrap_python_model()
    monkeypatch.setattr(served, "estimator", None)
    with pytest.raises(MlflowException, match="The model failed") as failure:
        model.predict(images)
    assert failure.value.get_http_status_code() == 500
    assert "NoneType" not in failure.value.serialize_as_json()
    assert "NoneType" in caplog.text


def test_a_version_of_altered_files_does_not_load(version, load, tmp_path):
    from pix2z.errors import IntegrityError

    pool = version / "artifacts/pool"
    kept = tmp_path / "kept"
    shutil.copytree(pool, kept)

    weights = pool / "seed-2/weights.weights.h5"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(IntegrityError, match="weights do not match the digest"):
        load()

    shutil.copytree(kept, pool, dirs_exist_ok=True)
    described = json.loads((pool / "pool.json").read_text())
    described["calibration"]["temperature"] = 2.0
    (pool / "pool.json").write_text(json.dumps(described))
    with pytest.raises(IntegrityError, match="pool.json: content does not match its digest"):
        load()


def test_another_pool_in_the_place_of_the_registered_one_does_not_load(version, load):
    """Each of its files matches its digest, but it is not the pool of this version."""
    from pix2z.errors import IntegrityError
    from pix2z.network.estimator import save_pool
    from pix2z.redshift_pdf.calibration import Temperature

    save_pool(version / "artifacts/pool", ["seed-1"], Temperature(1.1))
    with pytest.raises(IntegrityError, match="not the pool that was registered"):
        load()


@pytest.mark.parametrize("escape", ["absolute", "../..", "link"])
def test_artifacts_outside_the_model_are_not_loaded(version, load, tiny_pool, tmp_path, escape):
    from pix2z.errors import IntegrityError

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tiny_pool, elsewhere)
    described = (version / "MLmodel").read_text()
    assert "path: artifacts/pool\n" in described
    if escape == "link":
        shutil.rmtree(version / "artifacts/pool")
        (version / "artifacts/pool").symlink_to(elsewhere)
    else:
        up = "/".join([".."] * len(version.resolve().parts))
        path = str(elsewhere) if escape == "absolute" else f"{up}{elsewhere}"
        described = described.replace("path: artifacts/pool\n", f"path: {path}\n")
        (version / "MLmodel").write_text(described)
    with pytest.raises(IntegrityError, match="outside the folder of the model"):
        load()


def test_a_link_to_other_weights_does_not_load(version, load, tiny_pool, tmp_path):
    from pix2z.errors import IntegrityError

    weights = version / "artifacts/pool/seed-2/weights.weights.h5"
    weights.unlink()
    weights.symlink_to(tiny_pool / "seed-1/weights.weights.h5")
    with pytest.raises(IntegrityError, match="weights do not match the digest"):
        load()


class Payload:
    """What a pickle can do: run anything while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def pickled(version, tmp_path) -> tuple[Path, Path]:
    """The version with a pickle in the place of its code, and the file that reading it makes."""
    path, ran = version / "MLmodel", tmp_path / "ran"
    described = yaml.safe_load(path.read_text())
    flavor = described["flavors"]["python_function"]
    del flavor["model_code_path"]
    flavor["python_model"], flavor["cloudpickle_version"] = "python_model.pkl", "3"
    path.write_text(yaml.safe_dump(described))
    (version / "python_model.pkl").write_bytes(pickle.dumps(Payload(ran)))
    return version, ran


def test_a_version_that_holds_a_pickle_is_not_loaded(pickled, load):
    from mlflow.exceptions import MlflowException

    _, ran = pickled
    with pytest.raises(MlflowException, match="(?i)pickle"):
        load()
    assert not ran.exists()


def test_the_pickle_of_these_tests_would_run(pickled, load, monkeypatch):
    """Where MLflow is told to load it: else the test above proves nothing."""
    _, ran = pickled
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    with suppress(Exception):
        load()
    assert ran.exists()


def test_a_version_that_holds_a_pickle_is_not_served(pickled):
    from pix2z.errors import Pix2zError
    from pix2z.tracking.serving.server import listening, running

    folder, ran = pickled
    with (
        listening("127.0.0.1", 0) as opened,
        pytest.raises(Pix2zError, match="(?i)pickle"),
        running(folder, opened, workers=1),
    ):
        pytest.fail("it answers")
    assert not ran.exists()


def test_a_version_of_before_base64_and_pdfs_still_loads(version, load, images, expected):
    """Its MLmodel had no digest, and let MLflow check the input."""
    described = (version / "MLmodel").read_text()
    assert "is_signature_from_type_hint: true\n" in described
    described = described.replace("_from_type_hint: true\n", "_from_type_hint: false\n")
    lines = [line for line in described.splitlines() if "pool_digest:" not in line]
    (version / "MLmodel").write_text("\n".join(lines))
    found = load().predict(images, params={"ebv": [0.01, 0.02, 0.03, float("nan"), 0.05]})
    np.testing.assert_allclose(found["z_median"], expected.z_median, rtol=1e-6)


def test_no_pickle_is_in_a_version(version):
    suffixes = {path.suffix for path in version.rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".npy", ".joblib", ".pt"}
    assert "python_model" not in (version / "MLmodel").read_text()


def test_the_requirements_are_pinned_and_hold_what_serving_imports(version):
    lines = (version / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines)
    assert {"tensorflow", "keras", "h5py", "pydantic"} <= {line.split("==")[0] for line in lines}
