import shutil

import keras
import numpy as np
import onnxruntime
import pytest

import pix2z.network.layers  # noqa: F401  (its layers are what the file names)
from pix2z.network.estimator import load_member
from pix2z.tracking.model_names import SHIPPED
from tests.cli.conftest import one_line


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder in no checkout."""
    for name in ("DVC_ROOT", "PIX2Z_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_exported_network_answers_as_the_member_does(pix2z_in, trained_pool, tmp_path, suffix):
    folder, out = trained_pool / "seed-1", tmp_path / f"network{suffix}"
    code, said, errors = pix2z_in(tmp_path, "export", folder, "--out", out)
    assert code == 0, errors
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert said.startswith(f"{out}: the hybrid network of {folder}. Next, in Python:\n")
    assert (
        "\nimport pix2z.network.layers, keras\n" in said
    )  # in this order, and TensorFlow is silent
    assert errors == ""
    assert f'keras.models.load_model("{out}", compile=False)' in said
    images = np.random.default_rng(4).normal(1, 1, (3, 32, 32, 5)).astype(np.float32)
    inputs = {"images": images, "ebv": np.full(3, 0.02, np.float32)}
    loaded = keras.models.load_model(out, compile=False)
    np.testing.assert_allclose(
        loaded.predict_on_batch(inputs),
        load_member(folder).model.predict_on_batch(inputs),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("model", "said_of"),
    [("seed-1", "the network of {folder}/seed-1"), (".", "the 2 networks of {folder}, averaged")],
)
def test_the_onnx_file_answers_as_the_networks_do(pix2z_in, trained_pool, tmp_path, model, said_of):
    out = tmp_path / "network.onnx"
    code, said, errors = pix2z_in(tmp_path, "export", trained_pool / model, "--out", out)
    assert (code, errors) == (0, "")
    said_of = said_of.format(folder=trained_pool)
    assert said.startswith(f"{out}: {said_of}. Next, in Python:\nimport onnxruntime\n")
    images = np.random.default_rng(4).normal(1, 1, (3, 32, 32, 5)).astype(np.float32)
    inputs = {"images": images, "ebv": np.full(3, 0.02, np.float32)}
    session = onnxruntime.InferenceSession(out)
    members = ["seed-1", "seed-2"] if model == "." else [model]
    raw = [load_member(trained_pool / name).raw(**inputs) for name in members]
    np.testing.assert_allclose(session.run(None, inputs)[0], np.mean(raw, axis=0), atol=1e-3)


def test_a_model_that_has_its_onnx_file_needs_no_weights_for_it(pix2z_in, trained_pool, tmp_path):
    pool = tmp_path / "pool"
    shutil.copytree(trained_pool, pool, ignore=shutil.ignore_patterns("weights*"))
    code, _, errors = pix2z_in(tmp_path, "export", "pool", "--out", "z.onnx")
    assert (code, errors) == (0, "")
    assert (tmp_path / "z.onnx").read_bytes() == (pool / "pool.onnx").read_bytes()
    (pool / "pool.onnx").write_bytes(b"another")
    code, _, errors = pix2z_in(tmp_path, "export", "pool", "--out", "new.onnx")
    assert (code, errors) == (1, "error: pool/pool.onnx: does not match its digest in pool.json\n")
    assert not (tmp_path / "new.onnx").exists()


@pytest.mark.parametrize("out", ["pool/pool.onnx", "pool/seed-1/new.keras", "link.onnx"])
def test_nothing_is_exported_into_the_folder_of_a_model(pix2z_in, trained_pool, tmp_path, out):
    shutil.copytree(trained_pool, tmp_path / "pool")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "pool/pool.onnx")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    answer = pix2z_in(tmp_path, "export", "pool/seed-1", "--out", out)
    one_line(answer, f"error: {out}: ", "is the folder of a model; expected a file elsewhere\n")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_student_of_the_package_is_exported_as_onnx_alone(pix2z_in, outside):
    code, said, errors = pix2z_in(outside, "export", "student", "--out", "s.onnx")
    assert (code, errors) == (0, "")
    assert said.startswith("s.onnx: the network that comes with pix2z (student). Next, in Python:")
    assert (outside / "s.onnx").read_bytes() == (SHIPPED / "pool.onnx").read_bytes()
    as_keras = pix2z_in(outside, "export", "student", "--out", "s.keras")
    one_line(as_keras, "student: comes with pix2z as ONNX alone; expected --out to end in .onnx")


def test_outside_of_a_checkout_it_is_said_where_a_model_was_looked_for(pix2z_in, outside):
    answer = pix2z_in(outside, "export", "full", "--out", "full.onnx")
    one_line(answer, "model 'full': not found; expected a folder", f"{outside} is in no checkout: ")


def test_networks_of_a_registered_model_are_listed_by_names_that_work(
    pix2z_in, trained_pool, outside, monkeypatch
):
    """Its folder is in a cache, so that pix2z@champion/seed-1 names nothing."""
    monkeypatch.setattr("pix2z.tracking.model_names.resolve_pool", lambda spec: trained_pool)
    answer = pix2z_in(outside, "export", "pix2z@champion", "--out", "z.keras")
    one_line(answer, f"expected one of {trained_pool}/seed-1, {trained_pool}/seed-2\n")


@pytest.mark.parametrize("out", ["z.keras", "z.onnx"])
def test_networks_of_a_training_that_did_not_end_are_listed(pix2z_in, trained_pool, outside, out):
    pool = outside / "models/full"
    shutil.copytree(trained_pool, pool, ignore=shutil.ignore_patterns("pool.*"))
    answer = pix2z_in(outside, "export", "full", "--out", out)
    words = "full: holds 2 networks of a training that did not end, and one is exported at a time; "
    one_line(answer, f"{words}expected one of full/seed-1, full/seed-2\n")
    code, _, errors = pix2z_in(outside, "export", "full/seed-1", "--out", "one.onnx")
    assert (code, errors) == (0, "")


@pytest.mark.parametrize(
    ("member", "out", "words"),
    [
        ("seed-1", "z.tflite", "z.tflite: expected a name ending in .onnx or .keras or .h5\n"),
        (".", "network.keras", "holds 2 networks, and one is exported at a time; expected one of"),
        ("seed-9", "network.keras", "one network is named as full/seed-1\n"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    pix2z_in, trained_pool, tmp_path, member, out, words
):
    one_line(pix2z_in(tmp_path, "export", trained_pool / member, "--out", out), words)
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_named_as_models_are_and_the_networks_of_a_model_are_listed(
    images_folder, pix2z_in, tmp_path
):
    out = tmp_path / "network.keras"
    code, said, errors = pix2z_in(images_folder, "export", "full/seed-1", "--out", out)
    assert (code, errors) == (0, "")
    assert f"network of {'models/full/seed-1'}" in said
    several = pix2z_in(images_folder, "export", "full", "--out", out)
    one_line(
        several, "models/full: holds 2 networks, ", "expected one of full/seed-1, full/seed-2\n"
    )
    spectrum = images_folder / "spectrum/models/full"
    answer = pix2z_in(images_folder, "export", spectrum, "--out", out)
    one_line(answer, f"model '{spectrum}': is a spectrum model, which pix2z spectrum takes")
