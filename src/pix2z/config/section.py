"""Reading one section of params.yaml into a frozen, strictly checked value."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pix2z.errors import InputError, ParamsError
from pix2z.files import read_text

T = TypeVar("T")

__all__ = [
    "SECTIONS",
    "Frozen",
    "RedshiftRange",
    "Section",
    "Seed",
    "Share",
    "above",
    "first_fault",
    "one_of",
    "read_by_name",
    "read_params",
    "read_yaml",
]

SECTIONS = (
    "sky",
    "ingest",
    "split",
    "pdf",
    "controls",
    "hybrid",
    "apertures",
    "catalogue",
    "published_cnn",
    "arms",
    "compute",
    "tune",
    "evaluate",
    "study",
    "finetune",
    "student",
    "promotion",
    "spectrum",
    "spectrum_arms",
)
"""Every top-level key of params.yaml."""

RENAMED = {"seed_cnn": "published_cnn"}
"""Section of earlier versions -> what it is called now."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What numpy, Keras and scikit-learn all take as a seed."""


Share = Annotated[float, Field(gt=0, le=1)]


def above(lower: str) -> AfterValidator:
    """Return what checks that a number is above the field `lower`, which stands before it."""

    def check(value: float, info: ValidationInfo) -> float:
        low = info.data.get(lower)  # absent where that is itself at fault
        if low is not None and value <= low:
            raise ValueError(f"expected more than {lower} = {low:g}; received {value:g}")
        return value

    return AfterValidator(check)


def read_params(path: str | Path = "params.yaml") -> dict[str, Any]:
    """Read params.yaml; raise ParamsError naming an unknown or all missing top-level keys."""
    params = read_yaml(path)
    for key in params:
        if key in RENAMED:
            raise ParamsError(f"{path}: section {key!r} is now called {RENAMED[key]!r}")
        if key not in SECTIONS:
            raise ParamsError(f"{path}: unknown section {key!r}; expected {', '.join(SECTIONS)}")
    missing = [key for key in SECTIONS if key not in params]
    if missing:
        raise _without(missing, path=path)
    return params


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a mapping as DVC reads it, which refuses a key that stands twice.

    Raises
    ------
    ParamsError
        The file cannot be read, or is no YAML, or no mapping.
    """
    try:
        values = YAML(typ="safe").load(read_text(path))
    except YAMLError as error:
        mark, problem = (getattr(error, name, None) for name in ("problem_mark", "problem"))
        where = f"line {mark.line + 1}: {problem}" if mark else " ".join(str(error).split())
        raise ParamsError(f"{path}: not valid YAML ({where})") from error
    except InputError as error:
        raise ParamsError(str(error)) from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected the sections {', '.join(SECTIONS)}")
    return values


def first_fault(error: ValidationError, *, path: str | Path, key: str) -> ParamsError:
    """Turn pydantic's first finding into one line that names the file and the key."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in (key, *first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return ParamsError(f"{path}: {where}: {message[0].lower()}{message[1:]}")


def _fault_of_params(error: ValidationError, *, path: str | Path, key: str) -> ParamsError:
    """Name all keys that are missing, as they are in a params.yaml of earlier; else a fault."""
    faults = [fault["loc"] for fault in error.errors() if fault["type"] == "missing"]
    missing = [".".join(str(part) for part in (key, *place)) for place in faults]
    return _without(missing, path=path) if missing else first_fault(error, path=path, key=key)


def _without(missing: Sequence[str], *, path: str | Path) -> ParamsError:
    """Say in one line what a params.yaml lacks, and where that is."""
    are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    names = ", ".join(missing)
    return ParamsError(
        f"{path}: {names} {are} missing; take {them} from the params.yaml of this version"
    )


def read_by_name(kind: Any, *, key: str, path: str | Path) -> dict[str, Any]:
    """Read a section of named values, such as arms; raise ParamsError naming the key at fault.

    kind : type of the whole section, ``dict[str, Arm]``.
    """
    try:
        named: dict[str, Any] = TypeAdapter(kind).validate_python(read_params(path)[key])
    except ValidationError as error:
        raise _fault_of_params(error, path=path, key=key) from error
    return named


def one_of(named: Mapping[str, T], name: str, *, what: str, path: str | Path) -> T:
    """Return one of them; raise ParamsError where params.yaml has none of that name."""
    if name not in named:
        raise ParamsError(f"{path}: no {what} {name!r}; expected {', '.join(named)}")
    return named[name]


class Frozen(BaseModel):
    """A frozen group of finite values; unknown and missing keys raise."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Section(Frozen):
    """One top-level section of params.yaml; `key` is its name there."""

    key: ClassVar[str]

    @classmethod
    def read(cls, path: str | Path = "params.yaml") -> Self:
        """Read and check this section; raise ParamsError naming the keys at fault."""
        try:
            return cls.model_validate(read_params(path)[cls.key])
        except ValidationError as error:
            raise _fault_of_params(error, path=path, key=cls.key) from error


class RedshiftRange(Section):
    """A section with redshifts z_min < z_max."""

    z_min: float
    z_max: Annotated[float, above("z_min")]
