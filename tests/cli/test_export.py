import keras
import numpy as np
import pytest

import pix2z.network.layers  # noqa: F401  (its layers are what the file names)
from pix2z.network.estimator import load_member


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_exported_network_answers_as_the_member_does(pix2z_in, trained_pool, tmp_path, suffix):
    folder, out = trained_pool / "seed-1", tmp_path / f"network{suffix}"
    code, _, errors = pix2z_in(tmp_path, "export", folder, "--out", out)
    assert code == 0, errors
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    images = np.random.default_rng(4).normal(1, 1, (3, 32, 32, 5)).astype(np.float32)
    inputs = {"images": images, "ebv": np.full(3, 0.02, np.float32)}
    loaded = keras.models.load_model(out, compile=False)
    np.testing.assert_allclose(
        loaded.predict_on_batch(inputs),
        load_member(folder).model.predict_on_batch(inputs),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("member", "out", "words"),
    [
        ("seed-1", "network.onnx", "network.onnx: expected a name ending in .keras or .h5\n"),
        (".", "network.keras", "estimator.json: cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    pix2z_in, trained_pool, tmp_path, member, out, words
):
    code, said, errors = pix2z_in(tmp_path, "export", trained_pool / member, "--out", out)
    assert (code, said) == (2, "")
    assert words in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
