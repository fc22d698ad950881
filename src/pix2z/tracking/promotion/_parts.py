"""Read one part of predictions by its digests (until redshift_pdf has it)."""

from pathlib import Path

from pix2z.errors import IntegrityError
from pix2z.files import file_digest, read_json

__all__ = ["checked_part"]


def checked_part(folder: Path, part: str, *, pool_digest: str, test_digest: str) -> Path:
    """Return the file of a part; IntegrityError: it is of another pool or of other galaxies."""
    path = folder / "predictions.json"
    said = read_json(path)
    for name, expected in (("pool_digest", pool_digest), ("test_digest", test_digest)):
        if said.get(name) != expected:
            raise IntegrityError(f"{path}: {name} is {said.get(name)}; expected {expected}")
    entry = said["parts"][part]
    file: Path = folder / entry["file"]
    if file_digest(file) != entry["sha256"]:
        raise IntegrityError(f"{file}: content does not match its digest in predictions.json")
    return file
