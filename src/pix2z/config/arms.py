"""The arms of the experiment: which rows train which architecture, with which seeds."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from pix2z.config.section import Frozen, Seed, first_fault, read_params
from pix2z.errors import ParamsError

__all__ = ["Arm", "read_arm", "read_arms"]

Selection = Literal["full", "clipped", "equal_n"]


class Arm(Frozen):
    """One training sample and one architecture, trained once per seed and pooled."""

    selection: Selection
    architecture: Literal["hybrid", "seed_cnn"]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]

    @field_validator("seeds")
    @classmethod
    def _unique(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"expected different seeds; received {list(seeds)}")
        return seeds


def read_arms(path: str | Path = "params.yaml") -> dict[str, Arm]:
    """Read every arm by name; raise ParamsError naming the first key at fault."""
    try:
        return TypeAdapter(dict[str, Arm]).validate_python(read_params(path)["arms"])
    except ValidationError as error:
        raise first_fault(error, path=path, key="arms") from error


def read_arm(name: str, path: str | Path = "params.yaml") -> Arm:
    """Read one arm; raise ParamsError where params.yaml has none of that name."""
    arms = read_arms(path)
    if name not in arms:
        raise ParamsError(f"{path}: no arm {name!r}; expected {', '.join(arms)}")
    return arms[name]
