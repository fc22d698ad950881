"""Where the journal of a study lives: outside DVC's outputs, keyed by all that it depends on."""

from pathlib import Path

from pix2z.files import text_digest

__all__ = ["journal_path", "mend"]


def journal_path(folder: str | Path, *parts: str) -> Path:
    """``<folder>/<digest of parts>/journal.log``; its folder is made.

    Parts are digests or texts of the data, rows, parameters and code: a study that changed in any
    of them starts anew, one that was killed goes on.
    """
    path = Path(folder) / text_digest(*parts)[:16] / "journal.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def mend(journal: Path) -> None:
    """Cut a last line that a killed process left unfinished, so that the next one stands alone."""
    if journal.exists():
        content = journal.read_bytes()
        if not content.endswith(b"\n"):
            with journal.open("rb+") as file:
                file.truncate(content.rfind(b"\n") + 1)
