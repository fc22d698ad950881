"""What a check found."""

from dataclasses import dataclass

__all__ = ["Finding", "mend_command"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing."""

    what: str
    where: str
    """File, run, version or setting."""
    why: str
    """What it leads to, and what the command does about it."""
    command: str = ""
    """For a shell, in the root of the repository; empty where there is nothing to mend."""
    name: str = ""
    """What ``--mend`` takes; empty where other tools mend it."""
    is_fault: bool = True
    """False: information only."""


def mend_command(name: str) -> str:
    """Return the command that mends the fault of that name."""
    return f"pix2z doctor --mend {name}"
