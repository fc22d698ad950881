"""What the two served models share: how a request is read, refused and answered.

`served_model` and `served_spectrum` are the files that MLflow runs to load a version; both say in
their own words what may be sent to them. MLflow hands JSON over as it was sent, so every check is
made here, and every refusal is one sentence.
"""

import binascii
import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray

from pix2z.dataset.stamps import STAMP_SHAPE, clean_stamps
from pix2z.errors import InputError, IntegrityError
from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.tracking.served_forms import ServedForm

__all__ = [
    "LARGEST_BATCH",
    "Request",
    "RequestError",
    "ServedModel",
    "read_request",
]

LOG = logging.getLogger(__name__)

LARGEST_BATCH = 1024
"""Galaxies in one JSON request; arrays of a Python caller may hold any number."""

BYTES_OF_ONE = 4 * 32 * 32 * 5
"""Of a galaxy in base64 form, float32."""

DEEPEST = 8
"""Lists in lists."""

_KEYS = ("images", "ebv", "pdf")
_NUMBERS = (float, int, np.floating, np.integer, type(None))
_EXPECTED = f"numbers of shape (n, {', '.join(map(str, STAMP_SHAPE))})"


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
    """Galaxies as `clean_stamps` gives them."""

    images: NDArray[np.float32]
    """(n, 32, 32, 5) nanomaggies, n at least 1, NaN where masked."""
    ebv: NDArray[np.float32]
    """(n,) magnitudes, NaN where unknown."""
    pdf: bool = False
    """Whether PDFs are asked for, too."""


class ServedModel(PythonModel):  # type: ignore[misc]
    """An estimator behind MLflow's interface.

    A subclass says which form it serves and where its code lies, loads the estimator and answers.
    """

    form: ClassVar[ServedForm]
    home: ClassVar[Path]
    """Folder of the version; nothing outside it is loaded."""

    @abstractmethod
    def load(self, folder: Path) -> str:
        """Load the estimator in `folder`, importing what computes; return its digest."""

    @abstractmethod
    def answer(self, request: Request) -> pd.DataFrame:
        """Return a row per galaxy; raise RequestError where this model cannot answer."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the estimator and try it; raise IntegrityError where it is not the registered one.

        The network is traced here, for one galaxy and for any number, and not for a client.
        """
        folder = Path(context.artifacts[self.form.kind.artifact]).resolve()
        for path in (folder, *folder.rglob("*")):
            if not path.resolve().is_relative_to(self.home):
                raise IntegrityError(f"{path}: outside the folder of the model; it is not loaded")
        registered = (context.model_config or {}).get(self.form.kind.digest_tag)
        if self.load(folder) != registered:
            raise IntegrityError(
                f"{folder}: not the {self.form.kind.artifact} that was registered, {registered}"
            )
        for n in (1, 2):
            self.answer(Request(np.zeros((n, *STAMP_SHAPE), np.float32), np.zeros(n, np.float32)))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,  # or what else `read_request` takes; MLflow warns of other hints
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Answer for images (n, 32, 32, 5), a row each; RequestError says what is amiss."""
        try:
            return _null_where_blank(self.answer(read_request(model_input, params)))
        except RequestError:
            raise
        except Exception as error:  # MLflow would send the traceback to the client
            LOG.exception("a request failed")
            raise ModelFailure("The model failed; the server's log says why.") from error


def _null_where_blank(rows: pd.DataFrame) -> pd.DataFrame:
    """Put null, which JSON has, in place of the NaN of galaxies without a pixel in any band."""
    blank = rows["pix2z_flags"].to_numpy() & ImageFlag.BLANK != 0
    if not blank.any():
        return rows
    of_galaxy = rows.columns.difference(["wavelength", "pdf_z", "pix2z_flags"])
    return rows.assign(**{name: rows[name].astype(object).mask(blank, None) for name in of_galaxy})


def read_request(model_input: Any, params: Mapping[str, Any] | None) -> Request:
    """Check a request and bring it into one form.

    Parameters
    ----------
    model_input : images, or a mapping with `images` and, as wanted, `ebv` and `pdf`. Images are an
        array as `clean_stamps` takes it, nested lists, or base64 text of little-endian float32,
        each (n, 32, 32, 5).
    params : `ebv` and `pdf` where they are not in the mapping; an empty `ebv` is none.

    Raises
    ------
    RequestError
        Anything else was sent.
    """
    asked = _merged(model_input, params or {})
    given = _read_images(asked["images"])
    if getattr(given, "shape", ())[:1] == (0,):
        raise RequestError("images holds no galaxy; expected at least one.")
    try:
        images, ebv = clean_stamps(given, _read_ebv(asked.get("ebv")))
    except InputError as error:
        raise RequestError(f"{error}.") from None
    pdf = asked.get("pdf", False)
    if not isinstance(pdf, bool | np.bool_):
        raise RequestError(f"pdf is {_kind(pdf)}; expected true or false.")
    return Request(images, ebv, bool(pdf))


def _merged(model_input: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the mapping or bare images with the parameters."""
    given = {key: value for key, value in params.items() if not _is_default(value)}
    if not isinstance(model_input, Mapping):
        return {**given, "images": model_input}
    if unknown := [key for key in model_input if key not in _KEYS]:
        raise RequestError(f"inputs has the key {unknown[0]!r:.40}; expected images, ebv, pdf.")
    if "images" not in model_input:
        raise RequestError("inputs has no key images; expected images, and ebv and pdf as wanted.")
    if twice := [key for key in model_input if key in given]:
        raise RequestError(f"{twice[0]} is given both in inputs and in params; expected one.")
    beside = {key: value for key, value in model_input.items() if value is not None}
    return {**given, **beside, "images": model_input["images"]}


def _is_default(value: Any) -> bool:
    """Tell the values that MLflow fills in for parameters that were not sent."""
    return value is None or value is False or (hasattr(value, "__len__") and len(value) == 0)


def _read_images(value: Any) -> Any:
    """Read text and lists; an array, or a list of arrays, stays as it is."""
    if isinstance(value, str):
        return _from_base64(value)
    if _has_arrays(value):
        return value
    if isinstance(value, list):
        _refuse_larger(len(value))
        return _numbers(value, "images")
    if not hasattr(value, "__array__"):
        raise RequestError(
            f"images is {_kind(value)}; expected {_EXPECTED}, or base64 text of them."
        )
    return value


def _from_base64(text: str) -> NDArray[np.float32]:
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise RequestError(f"images is text but not base64 ({error}).") from None
    n, rest = divmod(len(content), BYTES_OF_ONE)
    if rest:
        raise RequestError(
            f"images is base64 of {len(content)} bytes; expected a multiple of {BYTES_OF_ONE}, "
            f"little-endian float32 of shape (n, {', '.join(map(str, STAMP_SHAPE))})."
        )
    _refuse_larger(n)
    return np.frombuffer(content, "<f4").reshape(-1, *STAMP_SHAPE)


def _refuse_larger(n: int) -> None:
    if n > LARGEST_BATCH:
        raise RequestError(
            f"images holds {n} galaxies; expected {LARGEST_BATCH} at most in one request."
        )


def _read_ebv(value: Any) -> Any:
    """Read a list, as `_read_images` does."""
    if isinstance(value, list | tuple):
        return value if _has_arrays(value) else _numbers(value, "ebv")
    if value is not None and not hasattr(value, "__array__"):
        raise RequestError(f"ebv is {_kind(value)}; expected a list of numbers, one per galaxy.")
    return value


def _has_arrays(values: Any) -> bool:
    """Whether there is an array in lists, which may have a mask or a unit; JSON has none."""
    inner = [values]
    for _ in range(DEEPEST):
        inner = list(chain.from_iterable(one for one in inner if isinstance(one, list | tuple)))
        kinds = set(map(type, inner))
        if any(hasattr(kind, "__array__") and not issubclass(kind, np.generic) for kind in kinds):
            return True
        if kinds.isdisjoint((list, tuple)):
            break
    return False


def _numbers(values: Sequence[Any], name: str) -> NDArray[np.float32]:
    """Convert nested lists of numbers and null.

    numpy alone would take "1.5" for a number and null for an object.
    """
    objects = np.array(values, dtype=object)
    expected = _EXPECTED if name == "images" else "one number per galaxy"
    if objects.ndim > DEEPEST:  # far beyond that, numpy cannot walk through them
        raise RequestError(f"{name} has {objects.ndim} dimensions; expected {expected}.")
    for kind in set(map(type, objects.flat)):
        if kind is list:
            raise RequestError(f"{name} has lists of unequal lengths; expected {expected}.")
        if kind is bool or not issubclass(kind, _NUMBERS):
            other = next(value for value in objects.flat if type(value) is kind)
            raise RequestError(f"{name} has {_kind(other)} in it; expected numbers, or null.")
    try:
        with np.errstate(over="ignore"):
            return objects.astype(np.float32)
    except OverflowError:
        raise RequestError(f"{name} has a number in it that is too large.") from None


def _kind(value: Any) -> str:
    """Name what JSON or Python calls a value."""
    names = {
        str: "text",
        bool: "true or false",
        dict: "an object",
        list: "a list",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(value), f"a {type(value).__name__}")
