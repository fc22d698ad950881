"""Keras is imported without a word, and as these networks want it, whatever others have set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from pix2z.network.backend import quiet_import
from pix2z.network.estimator import load_pool

ROOT = Path(__file__).parents[2]

THEIRS = """
import os
from pix2z.network.workers import side_by_side

def settings(_):
    from pix2z.network.backend import keras, ops
    assert ops.sum([1.0, 2.0]) == 3
    config, theirs = keras.config, (os.environ["KERAS_BACKEND"], "KERAS_HOME" in os.environ)
    ours = config.backend(), config.floatx(), config.image_data_format(), config.epsilon()
    return *ours, *theirs

if __name__ == "__main__":
    with side_by_side(2) as run:
        print(*run(settings, range(1)))
"""


def test_settings_of_others_are_left_out_and_alone_and_nothing_is_written(tmp_path):
    """In a process that trains, which is imported as a command is."""
    (tmp_path / ".keras").mkdir()
    config = {"backend": "jax", "floatx": "float64", "image_data_format": "channels_first"}
    (tmp_path / ".keras/keras.json").write_text(json.dumps({**config, "epsilon": 0.1}))
    (tmp_path / "theirs.py").write_text(THEIRS)
    environment = {**os.environ, "HOME": str(tmp_path), "KERAS_BACKEND": "torch"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    environment["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(
        [sys.executable, "theirs.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    said = "('tensorflow', 'float32', 'channels_last', 1e-07, 'torch', False)\n"
    assert (done.stderr, done.stdout) == ("", said)


@pytest.fixture
def their_notebook():
    """A notebook that had set Keras up before."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")


def test_a_pool_in_a_notebook_gives_the_same_redshifts(trained_pool, sample, request):
    images, ebv = sample.images(np.arange(20)), sample.column("ebv", np.arange(20))
    plain = load_pool(trained_pool).estimate(images, ebv)
    request.getfixturevalue("their_notebook")
    there = load_pool(trained_pool).estimate(images, ebv)
    np.testing.assert_allclose(there.density, plain.density, rtol=1e-5, atol=1e-6)
    assert keras.config.floatx() == "float64"
    assert keras.config.image_data_format() == "channels_first"


def test_what_native_code_writes_is_held_back(capfd):
    with quiet_import():
        os.write(2, b"a processor\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_an_error_lets_it_through(capfd):
    def fail():
        os.write(2, b"libcuda is missing\n")
        raise ImportError

    with pytest.raises(ImportError), quiet_import():
        fail()
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "libcuda is missing\nafterwards\n"


def test_a_service_without_stderr_can_import_it(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with quiet_import():
        pass
