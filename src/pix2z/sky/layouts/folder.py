"""The files that a source names: one, or all raw files of a folder."""

from collections.abc import Sequence
from pathlib import Path

from pix2z.errors import InputError
from pix2z.files import file_digest, text_digest

__all__ = ["files_of", "total_digest"]

SUFFIXES = (".h5", ".hdf5", ".npz")


def files_of(path: str | Path) -> tuple[Path, ...]:
    """Return the file itself, or the raw files in a folder, sorted by name; hidden ones left out.

    Raises
    ------
    InputError
        There is nothing, or HDF5 and npz files stand side by side.
    """
    folder = Path(path)
    if not folder.is_dir():
        return (folder,)
    try:
        found = sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not found:
        raise InputError(f"{path}: expected a folder with files {', '.join(SUFFIXES)}; has none")
    zipped = [file for file in found if file.suffix.lower() == ".npz"]
    if 0 < len(zipped) < len(found):
        other = next(file for file in found if file not in zipped)
        raise InputError(
            f"{path}: expected files of one layout; received {zipped[0].name} and {other.name}"
        )
    return tuple(found)


def total_digest(files: Sequence[Path], digests: Sequence[str] | None = None) -> str:
    """SHA-256 of one file, or over names and SHA-256 of several."""
    each = digests if digests is not None else [file_digest(file) for file in files]
    if len(files) == 1:
        return each[0]
    pairs = zip(files, each, strict=True)
    return text_digest(*(part for file, digest in pairs for part in (file.name, digest)))
