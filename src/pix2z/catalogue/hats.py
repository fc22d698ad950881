"""A table of redshifts as a HATS catalogue: partitions on the sky, which lsdb opens.

hats-import makes it, on one thread of a Dask scheduler inside this process, which opens no port and
starts no other process; what it pickles on its way lies in a temporary folder of this user. It
needs the extra ``[survey]``; no other module knows HATS.
"""

import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pix2z.errors import InputError
from pix2z.files import PARTIAL
from pix2z.ingest.checks import off_the_sky
from pix2z.ingest.positions import position_problems
from pix2z.ingest.raw import RawSurvey

__all__ = ["POSITIONS", "check_hats_folder", "check_positions", "write_hats"]

POSITIONS = ("ra", "dec")
"""Columns in degrees, by which rows are partitioned."""

CHUNK_BYTES = 2**24
"""Of rows in memory at a time while the table is partitioned."""

PARTITION_BYTES = 2**26
"""At most of a partition, which is sorted in memory."""

SAMPLE_ROWS = 1000
"""By which the bytes of a row are measured."""

FINEST_ORDER = 8
"""HEALPix order that rows are counted at: 786,432 pixels of 14 arcmin, which are the smallest
partitions, and the map of counts beside them."""


def check_hats_folder(folder: Path) -> None:
    """Raise InputError where no catalogue can be made there, before anything is computed.

    The folder must be new or empty: nothing in it is replaced. Its name is that of the catalogue.
    """
    if find_spec("hats_import") is None:
        raise ModuleNotFoundError("hats_import", name="hats_import")  # without the time it takes
    if not re.fullmatch(r"[A-Za-z0-9._-]+", folder.name):
        raise InputError(f"{folder}: expected a name of letters, digits, '.', '_' and '-'")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: exists; expected a new or empty folder for a HATS catalogue")


def check_positions(survey: RawSurvey) -> None:
    """Raise InputError naming the file where a galaxy has no place on the sky, or none in degrees.

    How positions that are no degrees are told: `pix2z.ingest.positions`.
    """
    lacking = int(off_the_sky(survey.table).sum())
    if lacking:
        raise InputError(
            f"{survey.path}: a HATS catalogue needs ra and dec of every galaxy, in degrees; "
            f"{lacking:,} of {len(survey.table):,} have none (-m ra=KEY -m dec=KEY names them)"
        )
    for problem in position_problems(survey.table):
        raise InputError(f"{survey.path}: {problem}")


def write_hats(tables: Sequence[Path], folder: Path) -> None:
    """Partition a table into a HATS catalogue, which is put in place when it is whole.

    Columns keep their types; every partition has the table's metadata and the meanings of its
    columns. Model, input and flags stand in ``hats.properties``, too, and the meanings in the
    VOTable of ``dataset/_common_metadata``. Memory does not grow with the number of rows.

    Parameters
    ----------
    tables : the files of the table, .parquet, at least one, with ra and dec in degrees; they stay.
        What only some say of themselves, as from which file they are, the catalogue does not say.
    folder : as `check_hats_folder` wants it.

    Raises
    ------
    InputError
        A table cannot be read, there are no rows or no positions, or the folder cannot be written.
    """
    check_hats_folder(folder)
    schema = _shared_schema(tables)
    for name in POSITIONS:
        if name not in schema.names:
            raise InputError(f"{tables[0]}: column {name!r} is missing; a HATS catalogue needs it")
    with _explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f"{PARTIAL}hats-", dir=folder.parent) as beside:
            catalogue = Path(beside) / folder.name
            _partition(tables, catalogue, schema)
            _describe(catalogue, schema)
            catalogue.replace(folder)


def _shared_schema(tables: Sequence[Path]) -> pa.Schema:
    """Columns of the first table, and what all tables say of themselves alike."""
    schema = _read(pq.read_schema, tables[0])
    shared = schema.metadata or {}
    for table in tables[1:]:
        others = _read(pq.read_schema, table).metadata or {}
        shared = {key: value for key, value in shared.items() if others.get(key) == value}
    return schema.with_metadata(shared)


def _read(reader: Callable[[Path], Any], table: Path) -> Any:
    try:
        return reader(table)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{table}: cannot be read as a Parquet file ({reason})") from error


def _bytes_per_row(tables: Sequence[Path]) -> float:
    for table in tables:
        for some in pq.ParquetFile(table).iter_batches(SAMPLE_ROWS):
            if len(some):
                return float(some.nbytes / len(some))
    raise InputError(f"{tables[0]}: has no rows; a HATS catalogue needs some")


def _partition(tables: Sequence[Path], catalogue: Path, schema: pa.Schema) -> None:
    """Run hats-import; what it keeps on its way lies beside `catalogue`."""
    from hats_import import ImportArguments, pipeline_with_client
    from hats_import.catalog.file_readers.parquet import ParquetPyarrowReader

    bytes_per_row = _bytes_per_row(tables)
    pq.write_metadata(schema, catalogue.parent / "schema.parquet")
    arguments = ImportArguments(
        output_path=catalogue.parent,
        output_artifact_name=catalogue.name,
        input_file_list=list(tables),
        file_reader=ParquetPyarrowReader(chunksize=ceil(CHUNK_BYTES / bytes_per_row)),
        use_schema_file=catalogue.parent / "schema.parquet",
        sort_columns="object_id" if "object_id" in schema.names else None,
        expected_total_rows=sum(pq.read_metadata(table).num_rows for table in tables),
        pixel_threshold=ceil(PARTITION_BYTES / bytes_per_row),
        highest_healpix_order=FINEST_ORDER,
        addl_hats_properties=_properties(schema),
        tmp_dir=catalogue.parent / "intermediate",
        progress_bar=False,
    )
    with _dask(catalogue.parent / "dask") as client:
        pipeline_with_client(arguments, client)


def _properties(schema: pa.Schema) -> Mapping[str, str]:
    """Facts of the table by names that a file of properties can have."""
    facts = {
        key.decode().replace(".", "_"): value.decode()
        for key, value in (schema.metadata or {}).items()
        if key.startswith(b"pix2z.")
    }
    arm = facts.get("pix2z_arm", "unknown")
    return facts | {"obs_title": f"Redshifts from images by pix2z, model {arm}"}


def _describe(catalogue: Path, schema: pa.Schema) -> None:
    """Write the meanings of columns as a VOTable, where tools of the Virtual Observatory look."""
    from hats.io.parquet_metadata import write_voparquet_in_common_metadata

    write_voparquet_in_common_metadata(
        catalogue,
        field_units=dict.fromkeys(POSITIONS, "deg"),
        field_descriptions={
            field.name: field.metadata[b"description"].decode()
            for field in schema
            if b"description" in (field.metadata or {})
        },
    )


@contextmanager
def _dask(folder: Path) -> Iterator[Any]:
    """Yield a client of a scheduler and of one worker, a thread each, in this process.

    Dask starts a web server for each, whatever it is told: here on this machine alone, and stopped.
    """
    from dask.distributed import Client, Scheduler, SpecCluster, Worker

    nobody = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    worker = {"nthreads": 1, "memory_limit": 0, "local_directory": str(folder)}
    with (
        SpecCluster(
            scheduler={"cls": Scheduler, "options": {"protocol": "inproc://", **nobody}},
            workers={0: {"cls": Worker, "options": {"protocol": "inproc://", **worker, **nobody}}},
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        for node in (cluster.scheduler, *cluster.workers.values()):
            client.loop.add_callback(node.http_server.stop)
        yield client


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what hats-import raises into one line; a worker's error is in what it printed."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = [line for line in (str(error), *printed.getvalue().split("\n")) if line.strip()]
        raise InputError(f"{folder}: cannot be written as HATS ({reason[-1].strip()})") from error
