"""The building blocks of a report, whatever it is rendered to."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Picture", "Section", "Table"]


@dataclass(frozen=True)
class Table:
    """A captioned table; the first `text_columns` hold words, the first names its row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1


@dataclass(frozen=True)
class Picture:
    """A figure on disk with its caption and a text that can stand in for it."""

    path: Path
    caption: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A titled part of the report: paragraphs, a list, tables, pictures, in this order."""

    title: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @property
    def anchor(self) -> str:
        """Identifier for links within the page."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title.lower()).split())
