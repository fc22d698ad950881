"""The arms of the experiment: which rows train which architecture, with which seeds."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from pix2z.config.section import Frozen, Seed, one_of, read_by_name
from pix2z.errors import ParamsError

__all__ = ["SPECTRUM_MODEL", "Arm", "is_reserved", "read_arm", "read_arms"]

SPECTRUM_MODEL = "pix2z-spectrum"
"""Experiment and registered model of the spectrum networks, which have arms of their own: no arm or
fine-tuned model of redshift networks, which are registered as ``pix2z-<name>``, has that name."""

Selection = Literal["full", "clipped", "equal_n"]
Architecture = Literal["hybrid", "apertures", "catalogue", "published_cnn"]


class Arm(Frozen):
    """One training sample and one architecture, trained once per seed and pooled."""

    selection: Selection
    architecture: Architecture
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]

    @field_validator("architecture", mode="before")
    @classmethod
    def _present_name(cls, architecture: Any) -> Any:
        if architecture == "seed_cnn":
            raise ValueError("seed_cnn is now called published_cnn")
        return architecture

    @field_validator("seeds")
    @classmethod
    def _unique(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"expected different seeds; received {list(seeds)}")
        return seeds


def is_reserved(name: str) -> bool:
    """Tell whether the registered model ``pix2z-<name>`` is that of the spectrum networks."""
    return f"pix2z-{name}" == SPECTRUM_MODEL


def read_arms(path: str | Path = "params.yaml") -> dict[str, Arm]:
    """Read every arm by name; raise ParamsError naming the first key at fault."""
    arms: dict[str, Arm] = read_by_name(dict[str, Arm], key="arms", path=path)
    if taken := [name for name in arms if is_reserved(name)]:
        raise ParamsError(
            f"{path}: arms.{taken[0]}: {SPECTRUM_MODEL} is the model of the spectrum networks; "
            "expected another name"
        )
    return arms


def read_arm(name: str, path: str | Path = "params.yaml") -> Arm:
    """Read one arm; raise ParamsError where params.yaml has none of that name."""
    return one_of(read_arms(path), name, what="arm", path=path)
