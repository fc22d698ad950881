"""What a survey is cut into: ranges of rows of its files, each of which becomes a table of its own.

A table follows from its rows, the model and the options alone, never from its neighbours, so that
it does not matter who makes it, and when. It carries in its metadata what it was made of; only a
table that was made of the same is taken for finished.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from pix2z.catalogue.compact_pdfs import COLUMN
from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.files import as_text, source_digest
from pix2z.redshift_pdf.redshifts import COLUMNS

__all__ = [
    "MADE_OF",
    "PARTITION_ROWS",
    "Partition",
    "Request",
    "Source",
    "is_finished",
    "made_of",
    "partitions_of",
    "refuse_strangers",
]

BLOCK_ROWS = 256
"""Stamps that are estimated at a time, 5 MB, by one thread. Sums of float32 may depend in the last
bit on what is summed together, so blocks begin at multiples of it in every file, whatever the
partitions are."""

PARTITION_ROWS = 256 * BLOCK_ROWS
"""Rows of a partition: 1.3 GB of float32 stamps, 3 MB of table."""

MADE_OF = b"pix2z.partition"
"""Key of a table's metadata: what it was made of, as JSON."""

CODE = (
    "catalogue",
    "config/ingest.py",
    "dataset",
    "fits.py",
    "hdf5.py",
    "imaging",
    "inference",
    "ingest",
    "network",
    "redshift_pdf",
    "said",
    "saved",
    "survey_scale",
)
"""Rooms and files of the package that tables depend on."""

TABLE, PDFS = "redshifts", "PDFs"
"""What a file of a partition holds."""


@dataclass(frozen=True)
class Request:
    """What is asked for every galaxy; it travels to the workers.

    Attributes
    ----------
    pool, model_digest : folder of the model, which every worker reads, and the digest expected.
    tables, pdfs : folders of the tables and of the PDFs, None for no PDFs.
    ebv : E(B-V) of all galaxies in mag; None takes each galaxy's own.
    layout, mapping, ebv_key : as `ingest.source.open_source` takes them.
    check : whether a file is refused whose pixels do not look like nanomaggies.
    columns : of the tables, names of `redshifts.COLUMNS`.
    positions : whether every galaxy must have ra and dec.
    partition_rows, block_rows : rows of a partition, a multiple of those that are in memory.
    """

    pool: Path
    model_digest: str
    tables: Path
    mapping: Hdf5Mapping
    pdfs: Path | None = None
    ebv: float | None = None
    layout: str | None = None
    ebv_key: str | None = None
    check: bool = True
    columns: tuple[str, ...] = tuple(COLUMNS)
    positions: bool = False
    partition_rows: int = PARTITION_ROWS
    block_rows: int = BLOCK_ROWS

    def __post_init__(self) -> None:
        """Raise InputError where a partition is not made of whole blocks."""
        if self.partition_rows <= 0 or self.partition_rows % self.block_rows:
            raise InputError(
                f"--partition-rows: expected a multiple of {self.block_rows:,}, so that no "
                f"redshift depends on it; received {self.partition_rows:,}"
            )

    def table_of(self, partition: "Partition") -> Path:
        """Return where a partition's table lies."""
        return self.tables / f"{partition.name}.parquet"

    def pdfs_of(self, partition: "Partition") -> Path | None:
        """Return where a partition's PDFs lie, if they are asked for."""
        return self.pdfs / f"{partition.name}.parquet" if self.pdfs else None


@dataclass(frozen=True)
class Source:
    """A file of the survey, after a look at it.

    Attributes
    ----------
    layout : of `ingest.source.LAYOUTS`.
    by_rows : whether ranges of its rows are read without the rest.
    size, changed : bytes, and the time of the last change in nanoseconds, over all that it needs.
    has_ids : whether galaxies have ids of their own; else they get row numbers.
    alike : what all files of one survey have alike, in words.
    """

    path: Path
    layout: str
    n_rows: int
    by_rows: bool
    size: int
    changed: int
    has_ids: bool
    alike: Mapping[str, str]


@dataclass(frozen=True)
class Partition:
    """Rows `start` to `stop` (excluded) of a file."""

    source: Source
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Name of its files without suffix; names sort as files and rows do."""
        return f"part-{as_text(self.source.path.name)}-{self.start:010d}-{self.stop:010d}"

    def __len__(self) -> int:
        """Count the rows."""
        return self.stop - self.start

    def __str__(self) -> str:
        """Say which rows of which file, for people."""
        return f"{self.source.path.name}, rows {self.start:,} to {self.stop:,}"


def partitions_of(source: Source, *, rows: int) -> Iterator[Partition]:
    """Cut a file into ranges of `rows` rows; the whole of it where it is not read by rows."""
    step = rows if source.by_rows else source.n_rows
    for start in range(0, source.n_rows, step):
        yield Partition(source, start, min(start + step, source.n_rows))


@cache
def code_digest() -> str:
    """SHA-256 over the sources that a redshift passes through on its way into a table."""
    return source_digest(*CODE)


def made_of(request: Request, partition: Partition) -> dict[str, Any]:
    """Return all that a table depends on, as JSON values, by names for people."""
    source = partition.source
    return {
        "model": request.model_digest,
        "version of pix2z": version("pix2z"),
        "code of pix2z": code_digest(),
        "input": as_text(source.path.name),
        "bytes of the input": source.size,
        "time of the input": source.changed,
        "rows": [partition.start, partition.stop],
        "layout": source.layout,
        "--ebv": request.ebv if request.ebv_key is None else request.ebv_key,
        "-m": json.dumps(request.mapping.given, sort_keys=True, default=str),
        "--columns": list(request.columns),
        "rows of a block": request.block_rows,
    }


def is_finished(request: Request, partition: Partition) -> bool:
    """Whether the table of a partition is there and whole, with its PDFs if they are asked for.

    Raises
    ------
    InputError
        It is there, and was made of something else or is no such file: the folder is that of
        another run.
    """
    files = {TABLE: request.table_of(partition), PDFS: request.pdfs_of(partition)}
    whole = [_is_whole(path, holds, request, partition) for holds, path in files.items() if path]
    return all(whole)  # only now, since each may be refused


def _is_whole(path: Path, holds: str, request: Request, partition: Partition) -> bool:
    if not path.exists():
        return False
    try:
        footer = pa.parquet.read_metadata(path)
    except (pa.ArrowException, OSError):  # cut off by a disk or a machine that failed: made anew
        return False
    received = PDFS if COLUMN in footer.schema.to_arrow_schema().names else TABLE
    if received != holds:
        raise InputError(
            f"{path}: holds {received}; expected a folder of this run's {holds} or a new one"
        )
    found = json.loads((footer.metadata or {}).get(MADE_OF, b"{}"))
    for name, wanted in made_of(request, partition).items():
        if found.get(name) != wanted:
            raise InputError(
                f"{path}: was made with another {name} ({found.get(name)!r}, now {wanted!r}); "
                "expected a folder of this run or a new one"
            )
    return bool(footer.num_rows == len(partition))


def refuse_strangers(request: Request, names: set[str], left_out: Mapping[str, str]) -> None:
    """Raise InputError where a table or PDFs in the folders are of no partition of this run.

    names : of the partitions.
    left_out : files of the survey that have no redshifts this time -> why.
    """
    for option, folder in (("--out", request.tables), ("--pdf", request.pdfs)):
        for path in sorted(folder.glob("*.parquet")) if folder else ():
            if path.stem in names:
                continue
            for file, reason in left_out.items():
                if path.name.startswith(f"part-{file}-"):
                    raise InputError(
                        f"{path}: is of {file}, which this run leaves out: {reason}; expected "
                        f"{option} to name a folder without tables of that file or a new one"
                    )
            raise InputError(
                f"{path}: is of no partition of this run, which have {request.partition_rows:,} "
                f"rows; expected {option} to name a folder of this run or a new one"
            )
