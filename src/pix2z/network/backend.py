"""Keras on TensorFlow, from where every module of both rooms of networks takes it.

It is imported without a word, and with the settings that these networks are made for, whatever
``KERAS_BACKEND`` or ``~/.keras/keras.json`` say: a user has those for networks of their own.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

from pix2z.errors import Pix2zError

__all__ = ["keras", "keras_defaults", "layers", "ops", "quiet_import"]


@contextmanager
def quiet_import() -> Iterator[None]:
    """Hold back what is written to stderr while TensorFlow is imported; an error lets it through.

    TensorFlow 2.21 writes of processors and drivers before it looks at TF_CPP_MIN_LOG_LEVEL, from
    native code, so the file descriptor itself is turned aside.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Its warnings of retraced functions count every model of a study or pool as one.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if sys.stderr is None:  # closed, as a service may have it
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)


@contextmanager
def _own_settings() -> Iterator[None]:
    """Let Keras, as it is imported, find no settings but the backend."""
    own = {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


with quiet_import(), _own_settings():
    import keras
    from keras import layers, ops

if keras.config.backend() != "tensorflow":
    raise Pix2zError(
        f"Keras: expected the backend tensorflow; received {keras.config.backend()}, with which it "
        "was imported before (set KERAS_BACKEND=tensorflow, or import pix2z's model first)"
    )


@contextmanager
def keras_defaults() -> Iterator[None]:
    """Build a network with Keras's own defaults, where a notebook has set others."""
    theirs = keras.config.floatx(), keras.config.dtype_policy(), keras.config.image_data_format()
    _set("float32", "float32", "channels_last")
    try:
        yield
    finally:
        _set(*theirs)


def _set(floatx: str, policy: Any, image_format: str) -> None:
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(image_format)
