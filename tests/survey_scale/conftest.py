"""Two small files of galaxies, networks trained on them, and partitions made in this process."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from pix2z.config.ingest import Hdf5Mapping
from pix2z.saved.sealed import read_pool
from pix2z.survey_scale.partitions import Request
from pix2z.survey_scale.run import look, predict
from tests.conftest import artificial_stamps

ROWS = {"a.h5": 40, "b.h5": 20}
BLOCK = 8


def write_file(path: Path, n: int, *, seed: int) -> None:
    """Write galaxies as SDSS files have them; one lacks a band, one some pixels."""
    z_spec = np.random.default_rng(seed).uniform(0.02, 0.35, n)
    images = artificial_stamps(z_spec, seed=seed + 1).transpose(0, 3, 1, 2)
    images[3, :, :4], images[5, 0] = np.nan, np.nan
    with h5py.File(path, "w") as file:
        file["images"] = images
        file["ObjID"] = 1000 * seed + np.arange(n)
        file["e_bv"] = np.linspace(0.01, 0.05, n, dtype=np.float32)


@pytest.fixture(scope="session")
def survey_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two files, which no test changes."""
    folder = tmp_path_factory.mktemp("survey")
    for seed, (name, n) in enumerate(ROWS.items()):
        write_file(folder / name, n, seed=10 + seed)
    return folder


@pytest.fixture
def request_for(trained_pool, tmp_path):
    """Return what makes a `Request` for tables in a folder of this test."""

    def make(out="z", **options):
        return small_request(trained_pool, tmp_path / out, **options)

    return make


def small_request(trained: Path, tables: Path, **options) -> Request:
    """Ask for partitions of 16 rows, 8 of which are in memory at a time."""
    usual = {
        "pool": trained,
        "model_digest": read_pool(trained)["digest"],
        "tables": tables,
        "mapping": Hdf5Mapping(),
        "check": False,
        "partition_rows": 2 * BLOCK,
        "block_rows": BLOCK,
    }
    return Request(**(usual | options))


def in_turn(function, arguments):
    """Do the work in this process, one partition after the other."""
    for argument in arguments:
        yield argument, function(argument)


def whole_run(path, request, run_each=in_turn, advance=lambda _: None):
    """Look at a survey and make what is missing: what was found, and what was made."""
    request.tables.mkdir(exist_ok=True)
    survey = look(path, request, run_each, lambda _: None)
    return survey, predict(survey, request, run_each, advance)
