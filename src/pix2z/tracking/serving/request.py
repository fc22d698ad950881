"""What a client asks of the served model: images, E(B-V), PDFs or not; else one sentence.

MLflow hands JSON over as it was sent, so every check is made here and every refusal is worded here.
"""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from numpy.typing import NDArray

__all__ = [
    "LARGEST_BATCH",
    "LARGEST_EBV",
    "LARGEST_PIXEL",
    "ModelFailure",
    "Request",
    "RequestError",
    "read_request",
]

SHAPE = (32, 32, 5)
BYTES = 4 * 32 * 32 * 5
"""Of one galaxy in base64 form: float32."""

LARGEST_BATCH = 1024
"""Galaxies in one JSON request; arrays of a Python caller may hold any number."""

LARGEST_PIXEL = 1e6
"""Nanomaggies, magnitude 7.5 in one pixel; far above any galaxy, far below what overflows."""

LARGEST_EBV = 3.0
"""Magnitudes; dereddening by more overflows together with `LARGEST_PIXEL`."""

_NUMBERS = (float, int, np.floating, np.integer, type(None))
_KEYS = ("images", "ebv", "pdf")
_FORM = f"numbers of shape (n, {', '.join(map(str, SHAPE))})"


class _Answer(MlflowException):  # type: ignore[misc]
    """An error whose message stays as it is: MLflow's server puts the whole input before others."""

    code = "INTERNAL_ERROR"

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        super().__init__(sentence, error_code=ErrorCode.Value(self.code))

    @property
    def message(self) -> str:
        """The one sentence."""
        return self._sentence

    @message.setter
    def message(self, _: str) -> None:
        """Keep the sentence."""


class RequestError(_Answer):
    """A request that cannot be answered, HTTP status 400; one sentence says what was expected."""

    code = "INVALID_PARAMETER_VALUE"


class ModelFailure(_Answer):
    """The model failed on a sound request, HTTP status 500."""


@dataclass(frozen=True)
class Request:
    """Galaxies as the estimator takes them."""

    images: NDArray[np.float32]
    """(n, 32, 32, 5) nanomaggies, n at least 1, NaN where masked; infinite counts as masked."""
    ebv: NDArray[np.float32]
    """(n,) magnitudes, NaN where unknown."""
    pdf: bool


def read_request(model_input: Any, params: Mapping[str, Any] | None) -> Request:
    """Check a request and bring it into one form.

    Parameters
    ----------
    model_input : images, or a mapping with `images` and, as wanted, `ebv` and `pdf`. Images are an
        array, nested lists, or base64 text of little-endian float32, each (n, 32, 32, 5).
    params : `ebv` and `pdf` where they are not in the mapping; an empty `ebv` is none.

    Raises
    ------
    RequestError
        Anything else was sent.
    """
    asked = _asked(model_input, params or {})
    images = _images(asked["images"])
    if not len(images):
        raise RequestError("images holds no galaxy; expected at least one.")
    _refuse_brighter(images)
    return Request(images, _ebv(asked.get("ebv"), len(images)), _pdf(asked.get("pdf", False)))


def _asked(model_input: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the mapping or bare images with the parameters."""
    given = {k: v for k, v in params.items() if v is not None and not _is_default(v)}
    if not isinstance(model_input, Mapping):
        return {**given, "images": model_input}
    if unknown := [key for key in model_input if key not in _KEYS]:
        raise RequestError(f"inputs has the key {_shown(unknown[0])}; expected images, ebv, pdf.")
    if "images" not in model_input:
        raise RequestError("inputs has no key images; expected images, and ebv and pdf as wanted.")
    if twice := [key for key in model_input if key in given]:
        raise RequestError(f"{twice[0]} is given both in inputs and in params; expected one.")
    beside = {k: v for k, v in model_input.items() if v is not None}
    return {**given, **beside, "images": model_input["images"]}


def _is_default(value: Any) -> bool:
    """Tell the values that MLflow fills in for parameters that were not sent."""
    return value is False or (hasattr(value, "__len__") and len(value) == 0)


def _images(value: Any) -> NDArray[np.float32]:
    """Read images in any of their three forms, (n, 32, 32, 5)."""
    if isinstance(value, str):
        return _from_base64(value)
    if isinstance(value, list):
        return _from_lists(value)
    if not isinstance(value, np.ndarray):
        raise RequestError(f"images is {_kind(value)}; expected {_FORM}, or base64 text of them.")
    if value.dtype.kind not in "fiu":
        raise RequestError(f"images is an array of {value.dtype}; expected {_FORM}.")
    if value.shape[1:] != SHAPE:
        raise RequestError(f"images has shape {value.shape}; expected {_FORM}.")
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which counts as masked
        return value.astype(np.float32, copy=False)


def _from_base64(text: str) -> NDArray[np.float32]:
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise RequestError(f"images is text but not base64 ({error}).") from None
    n, rest = divmod(len(content), BYTES)
    if rest:
        raise RequestError(
            f"images is base64 of {len(content)} bytes; expected a multiple of {BYTES}, "
            f"little-endian float32 of shape (n, {', '.join(map(str, SHAPE))})."
        )
    _refuse_larger(n)
    return np.frombuffer(content, "<f4").reshape(-1, *SHAPE)


def _from_lists(images: list[Any]) -> NDArray[np.float32]:
    """Read nested lists; numpy alone would take "1.5" for a number and null for an object."""
    _refuse_larger(len(images))
    level = images
    for size in SHAPE:
        if not all(type(row) is list and len(row) == size for row in level):
            raise RequestError(f"images are lists of {_shape_of(images)}; expected {_FORM}.")
        level = list(chain.from_iterable(level))
    return _numbers(level, "images").reshape(-1, *SHAPE)


def _refuse_brighter(images: NDArray[np.float32]) -> None:
    beyond = np.abs(images) > LARGEST_PIXEL
    if beyond.any() and (beyond := beyond & np.isfinite(images)).any():
        raise RequestError(
            f"images[{np.argmax(beyond.any(axis=(1, 2, 3)))}] has a pixel beyond "
            f"{LARGEST_PIXEL:,.0f} nanomaggies; expected calibrated fluxes, null or NaN if masked."
        )


def _refuse_larger(n: int) -> None:
    if n > LARGEST_BATCH:
        raise RequestError(
            f"images holds {n} galaxies; expected {LARGEST_BATCH} at most in one request."
        )


def _shape_of(nested: list[Any]) -> str:
    """Describe nested lists by the first of each level."""
    shape: list[int] = []
    first: Any = nested
    while isinstance(first, list) and len(shape) < 8:
        shape.append(len(first))
        first = first[0] if first else None
    if tuple(shape[1:]) == SHAPE:
        return "unequal lengths"
    return f"shape ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _numbers(values: list[Any], name: str) -> NDArray[np.float32]:
    """Convert a flat list of numbers and null."""
    for found in set(map(type, values)):
        if found is bool or not issubclass(found, _NUMBERS):
            other = next(value for value in values if type(value) is found)
            raise RequestError(f"{name} has {_kind(other)} in it; expected numbers, or null.")
    try:
        with np.errstate(over="ignore"):
            return np.array(values, np.float32)
    except OverflowError:
        raise RequestError(f"{name} has a number in it that is too large.") from None


def _ebv(value: Any, n: int) -> NDArray[np.float32]:
    """Read E(B-V), (n,); missing, negative and infinite values are unknown, NaN."""
    if value is None:
        return np.full(n, np.nan, np.float32)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        ebv = value.astype(np.float32)
    elif isinstance(value, list | tuple | np.ndarray):
        ebv = _numbers(list(value), "ebv")
    else:
        raise RequestError(f"ebv is {_kind(value)}; expected a list of {n} numbers.")
    if ebv.shape != (n,):
        raise RequestError(f"ebv has shape {ebv.shape}; expected one number per galaxy, {n}.")
    ebv = np.where(np.isfinite(ebv) & (ebv >= 0), ebv, np.float32(np.nan))
    if (ebv > LARGEST_EBV).any():
        raise RequestError(f"ebv has a value above {LARGEST_EBV}; expected magnitudes.")
    return ebv


def _pdf(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise RequestError(f"pdf is {_kind(value)}; expected true or false.")
    return bool(value)


def _kind(value: Any) -> str:
    """Name what JSON or Python calls a value."""
    names = {str: "text", bool: "true or false", dict: "an object", list: "a list"}
    numbers = {int: "a number", float: "a number", type(None): "null"}
    return {**names, **numbers}.get(type(value), f"a {type(value).__name__}")


def _shown(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 40 else f"{text[:36]}...'"
