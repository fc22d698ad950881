"""Small raw files in the seed's layout, with NERSC's keys and the group `truth`."""

import h5py
import numpy as np
import pytest

from pix2z.ingest.galaxies import ingest

N_PARENTS = 40
N_MOVED = 10


def raw_content():
    """Key -> array of a valid raw file: 40 parents, then 10 moved stamps of parents 0 to 9."""
    rng = np.random.default_rng(11)
    n = N_PARENTS + N_MOVED
    parent = np.concatenate([np.arange(N_PARENTS), np.arange(N_MOVED)])
    y, x = np.mgrid[:32, :32] - 15.5
    profile = np.exp(-(x**2 + y**2) / 18.0)
    colour = np.array([0.15, 0.6, 1.0, 1.4, 1.7])[:, None, None]
    flux = rng.uniform(1.0, 5.0, (n, 1, 1, 1)) * rng.uniform(0.9, 1.1, (n, 5, 1, 1)) * colour
    images = flux * profile + rng.normal(0.0, 0.05, (n, 5, 32, 32))
    return {
        "images": images.astype(np.float32),
        "ObjID": (1_237_650_000_000_000_000 + 10 * np.arange(n)).astype(np.int64),
        "ra": (10.0 + 0.5 * parent).astype(np.float64),
        "dec": np.full(n, 20.0),
        "e_bv": rng.uniform(0.01, 0.1, n).astype(np.float32),
        "specz_redshift": rng.uniform(0.02, 0.3, n).astype(np.float32),
        "specz_redshift_err": np.full(n, 1e-4, np.float32),
        "truth/parent": parent,
        "truth/moved": (np.arange(n) >= N_PARENTS).astype(np.uint8),
        "truth/psf_fwhm": rng.uniform(1.0, 1.6, (n, 5)).astype(np.float32),
    }


@pytest.fixture
def raw():
    """Content of a raw file, free to be changed before it is written."""
    return raw_content()


@pytest.fixture
def write_raw(tmp_path):
    """Return a function that writes content to a raw file and returns its path."""

    def write(content, name="raw.h5"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            file.attrs["source"] = "a test"
            for key, values in content.items():
                file[key] = values
        return path

    return write


@pytest.fixture
def run_ingest(tmp_path):
    """Return a function that ingests a raw file and returns path and report."""

    def run(path, *, name="galaxies.h5", layout="sdss32", chunk_rows=16, **options):
        output = tmp_path / name
        report = ingest(
            path,
            output,
            layout=layout,
            z_min=0.0,
            z_max=0.4,
            duplicate_radius_arcsec=2.0,
            chunk_rows=chunk_rows,
            **options,
        )
        return output, report

    return run


@pytest.fixture
def galaxies_path(raw, write_raw, run_ingest):
    """A galaxies.h5 of 50 rows."""
    return run_ingest(write_raw(raw))[0]
