"""Shared: artificial galaxies whose colours tell their redshift, and networks trained on them once.

`trained_pool` and `trained_spectrum` are folders that every room may read and none may change:
a test that changes a file copies the folder first. The rooms of `make test` are processes of their
own; the first that needs such a folder makes it, in $PIX2Z_TEST_SHARED, and the others take it.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

# The same examples on every run, and no deadline: a busy machine must not fail a test.
settings.register_profile("pix2z", derandomize=True, deadline=None)
settings.load_profile("pix2z")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.pop("PIX2Z_HOME", None)  # a developer's own checkout
# One thread each: trainings then give the weights that they give in a process of their own.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

LACKS = 1 + 2 + 4 + 8
"""Flags of what a stamp lacks. Those of a PDF's shape say nothing of small networks' wild ones."""

SKY = np.array([0.043, 0.017, 0.027, 0.044, 0.175], np.float32)


def artificial_stamps(z_spec: np.ndarray, *, seed: int) -> np.ndarray:
    """Gaussian blobs (N, 32, 32, 5): size, brightness and colours are functions of redshift."""
    rng = np.random.default_rng(seed)
    axis = np.arange(32) - 15.5
    radius2 = axis[:, None] ** 2 + axis[None, :] ** 2
    sigma = 2.0 + 0.2 / (z_spec + 0.1)
    profile = np.exp(-radius2 / (2 * sigma[:, None, None] ** 2))
    profile /= profile.sum(axis=(1, 2), keepdims=True)
    magnitude_r = 17.5 + 2.5 * z_spec + rng.normal(0, 0.3, len(z_spec))
    slope, offset = np.array([2, 4, 0, 0, -1]), np.array([2, 0.7, 0, -0.4, -0.7])
    colours = z_spec[:, None] * slope + offset
    flux = 10 ** (0.4 * (22.5 - magnitude_r[:, None] - colours))
    noise = rng.normal(0, 1, (len(z_spec), 32, 32, 5)) * SKY
    return (profile[..., None] * flux[:, None, None, :] + noise).astype(np.float32)


def made_once(
    name: str, tmp_path_factory: pytest.TempPathFactory, make: Callable[[Path], object]
) -> Path:
    """Return a folder that `make` filled, in this process or in another room's."""
    shared = os.environ.get("PIX2Z_TEST_SHARED")
    folder = Path(shared) / name if shared else tmp_path_factory.mktemp(name)
    whole = folder / "whole"
    with FileLock(folder.with_suffix(".lock")):
        if not whole.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            whole.touch()
    return folder


@pytest.fixture(scope="session")
def sample_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """galaxies.h5 of 800 artificial galaxies at 0.02 < z < 0.35."""
    from pix2z.dataset.store import write_galaxies

    n = 800
    rng = np.random.default_rng(7)
    z_spec = rng.uniform(0.02, 0.35, n)
    index = np.arange(n)
    columns = {
        "specz_redshift": z_spec,
        "specz_redshift_err": np.full(n, 1e-5),
        "object_id": 1000 + index,
        "group_id": index,
        "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-30, 60, n),
        "ebv": rng.uniform(0.01, 0.02, n),
        "mag_r": 17.5 + 2.5 * z_spec,
        "seeing": np.full((n, 5), 1.3),
        "row_origin": index,
        "moved": np.zeros(n),
        "flags": np.zeros(n),
    }
    path = tmp_path_factory.mktemp("sample") / "galaxies.h5"
    stamps = iter([artificial_stamps(z_spec, seed=8)])
    write_galaxies(path, columns=columns, blocks=stamps, source="artificial", source_sha256="0")
    return path


@pytest.fixture
def sample(sample_path: Path) -> Iterator:
    """Open the artificial galaxies."""
    from pix2z.dataset.store import open_galaxies

    with open_galaxies(sample_path) as galaxies:
        yield galaxies


@pytest.fixture(scope="session")
def sample_split():
    """Rows 0 to 499 train, then 100 each to validate, calibrate and test."""
    from pix2z.dataset.splits import Split

    rows = np.arange(800)
    return Split(
        selection="full",
        train=rows[:500],
        validation=rows[500:600],
        calibration=rows[600:700],
        test=rows[700:],
        clip_window=(0.0, 0.3),
        test_digest="",
    )


@pytest.fixture(scope="session")
def trained_pool(sample_path: Path, sample_split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pool of two small hybrids (60 bins, 0 < z < 0.4), trained in some seconds."""
    from pix2z.dataset.store import open_galaxies
    from pix2z.network.arm import train_arms
    from tests.network.conftest import pool_training

    def train(folder: Path) -> None:
        with open_galaxies(sample_path) as galaxies:
            train_arms([(pool_training(galaxies, sample_split, folder), (1, 2))])

    return made_once("trained_pool", tmp_path_factory, train) / "models/full"


@pytest.fixture(scope="session")
def sample_spectra_path(sample_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """spectra.h5 beside the artificial galaxies."""
    from pix2z.dataset.store import open_galaxies
    from tests.spectrum_network.spectra import SETTINGS, write_spectra

    path = tmp_path_factory.mktemp("spectra") / "spectra.h5"
    with open_galaxies(sample_path) as galaxies:
        z_spec = galaxies.column("specz_redshift").astype(np.float64)
    write_spectra(path, z_spec, SETTINGS.wavelength.grid)
    return path


@pytest.fixture(scope="session")
def trained_spectrum(
    sample_path: Path,
    sample_spectra_path: Path,
    sample_split,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Folder of a small spectrum network (physical decoder), trained in some seconds."""
    from pix2z.dataset.spectra import open_spectra
    from pix2z.dataset.store import open_galaxies
    from pix2z.spectrum_network.arm import train_spectrum_arms
    from tests.spectrum_network.spectra import spectrum_training

    def train(folder: Path) -> None:
        with open_spectra(sample_spectra_path) as spectra, open_galaxies(sample_path) as galaxies:
            train_spectrum_arms([spectrum_training(galaxies, spectra, sample_split, folder)])

    return made_once("trained_spectrum", tmp_path_factory, train) / "full"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store of MLflow, made once, since that takes seconds; never altered."""
    from pix2z.tracking.store import create_database

    def make(folder: Path) -> None:
        create_database(folder / "mlflow.db")

    return made_once("empty_store", tmp_path_factory, make) / "mlflow.db"
