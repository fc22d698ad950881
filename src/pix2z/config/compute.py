"""How much of the machine trainings use; no result depends on it."""

from typing import ClassVar

from pydantic import PositiveInt

from pix2z.config.section import Section

__all__ = ["ComputeConfig"]


class ComputeConfig(Section):
    """Trainings run side by side, one process and one thread each."""

    key: ClassVar[str] = "compute"

    processes: PositiveInt | None
    """At most so many at once. null: one per core as memory allows, and one in all beside a GPU."""
