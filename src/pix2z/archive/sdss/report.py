"""The objects that failed, as a table beside the file of the others."""

import csv
from collections.abc import Iterable
from pathlib import Path

from pix2z.archive.sdss.objects import Failure
from pix2z.errors import InputError
from pix2z.files import atomic_path

__all__ = ["failures_path", "write_failures"]


def failures_path(out: Path) -> Path:
    """Return where the failures of a fetch into `out` are listed."""
    return out.with_name(f"{out.stem}.failures.csv")


def write_failures(out: Path, failures: Iterable[Failure]) -> Path:
    """Write columns row, object and reason; only the header where nothing failed."""
    path = failures_path(out)
    try:
        with (
            atomic_path(path) as partial,
            partial.open("w", newline="", encoding="utf-8", errors="replace") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["row", "object", "reason"])
            writer.writerows((one.row, one.name, one.reason) for one in failures)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path
