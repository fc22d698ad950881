"""The record beside a downloaded file: where it is from, and the digest that it must keep."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pix2z.archive.transfer.partial_file import hash_file
from pix2z.errors import InputError, IntegrityError
from pix2z.files import read_json, write_json

__all__ = ["Provenance", "finished", "provenance_path", "write_provenance"]

AS_IT_IS = "it is left as it is (--force fetches it again)"


@dataclass(frozen=True)
class Provenance:
    """Where a file is from. fetched : UTC, ISO 8601."""

    url: str
    sha256: str
    bytes: int
    etag: str | None
    last_modified: str | None
    fetched: str


def provenance_path(path: Path) -> Path:
    """Return where the record of a downloaded file lies."""
    return path.with_name(f"{path.name}.provenance.json")


def write_provenance(path: Path, record: Provenance) -> None:
    """Write the record of the file at `path`, atomically."""
    write_json(provenance_path(path), asdict(record))


def finished(
    path: Path, *, url: str, sha256: str | None, report: Callable[[int, int], None]
) -> Provenance | None:
    """Return the record of a file that is there and matches it; None where none is there.

    Parameters
    ----------
    url, sha256 : what the file is looked for as; with the digest given, another URL is no matter.
    report : called with bytes hashed and bytes to hash.

    Raises
    ------
    InputError
        Something else has that name: no file, one without a record, one of another URL.
    IntegrityError
        The file matches its record no longer, or not `sha256`.
    """
    if not path.exists():
        return None
    if not path.is_file():
        raise InputError(f"{path}: expected a file or nothing")
    record = _read(path)
    if sha256 not in (None, record.sha256):
        raise IntegrityError(f"{path}: has SHA-256 {record.sha256}, expected {sha256}; {AS_IT_IS}")
    if sha256 is None and record.url != url:
        raise InputError(f"{path}: is from {record.url}, not from {url}; {AS_IT_IS}")
    size = path.stat().st_size
    if size != record.bytes:
        raise IntegrityError(f"{path}: has {size} bytes, its record {record.bytes}; {AS_IT_IS}")
    found = hash_file(path, size=size, report=report).hexdigest()
    if found != record.sha256:
        raise IntegrityError(f"{path}: has SHA-256 {found}, its record {record.sha256}; {AS_IT_IS}")
    return record


def _read(path: Path) -> Provenance:
    place = provenance_path(path)
    if not place.exists():
        raise InputError(f"{path}: is there, but no {place.name} says from where; {AS_IT_IS}")
    try:
        return Provenance(**read_json(place))
    except TypeError as error:
        raise InputError(f"{place}: expected the record of a download ({error})") from error
