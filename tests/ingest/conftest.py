"""Small raw files with NERSC's keys and the group `truth`, and twelve galaxies in every layout."""

import h5py
import numpy as np
import pytest

from pix2z.config.ingest import Hdf5Mapping
from pix2z.ingest.galaxies import ingest
from pix2z.ingest.source import open_source

N_PARENTS = 40
N_MOVED = 10
N = 12

STANDARD_KEYS = {
    "object_id": "ObjID",
    "ra": "ra",
    "dec": "dec",
    "ebv": "e_bv",
    "z": "specz_redshift",
    "z_error": "specz_redshift_err",
}


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

    def write(content, name="raw.h5", **attributes):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            file.attrs.update({"source": "a test"} | attributes)
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


@pytest.fixture
def galaxies(raw):
    """Stamps (N, 32, 32, 5) in nanomaggies and the columns of the first 12 galaxies."""
    columns = {name: raw[key][:N] for name, key in STANDARD_KEYS.items()}
    return {"stamps": np.ascontiguousarray(raw["images"][:N].transpose(0, 2, 3, 1)), **columns}


@pytest.fixture
def write_npz(tmp_path):
    """Return a function that writes name -> array as npz."""

    def write_file(arrays, *, name="raw.npz", compressed=False):
        path = tmp_path / name
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return write_file


def framed(stamps, *, side, first):
    """Stamps in the middle of larger ones, whose border is loud."""
    n, _, _, bands = stamps.shape
    whole = np.full((n, side, side, bands), 1e6, np.float32)
    whole[:, first : first + 32, first : first + 32] = stamps
    return whole


def pasquet_labels(columns):
    """Structured labels of these columns, beside one that is not read."""
    names = {"object_id": "bestObjID", "ebv": "EBV", "z_error": "zErr"}
    dtype = [(names.get(key, key), values.dtype) for key, values in columns.items()]
    labels = np.zeros(N, [("class", "S8"), *dtype])
    for key, values in columns.items():
        labels[names.get(key, key)] = values
    return labels


@pytest.fixture
def written(galaxies, write_raw, write_npz):
    """Return a function that writes the galaxies in a layout; `dropped` columns are left out."""

    def write_layout(layout, *, dropped=()):
        kept = {name: values for name, values in galaxies.items() if name not in dropped}
        stamps = kept.pop("stamps")
        if layout == "pasquet":
            cube = framed(stamps, side=64, first=16)
            return write_npz({"cube": cube, "labels": pasquet_labels(kept)})
        if layout == "hdf5":
            return write_raw({"pix/stamps": stamps} | {f"cat/{k}": v for k, v in kept.items()})
        if layout == "nersc":
            stamps = framed(stamps, side=107, first=37)
        keys = {STANDARD_KEYS[name]: values for name, values in kept.items()}
        return write_raw({"images": stamps.transpose(0, 3, 1, 2), **keys})

    return write_layout


@pytest.fixture
def opened(written):
    """Return a function that writes the galaxies in a layout and opens them."""

    def open_layout(layout, *, dropped=(), ebv_key=None):
        names = {"z": "redshift", "z_error": "redshift_error"}
        kept = [name for name in STANDARD_KEYS if name not in dropped]
        keys = {names.get(name, name): f"cat/{name}" for name in kept}
        mapping = Hdf5Mapping(images="pix/stamps", unit="nanomaggy", **keys)
        path = written(layout, dropped=dropped)
        return open_source(path, layout=layout, mapping=mapping, ebv_key=ebv_key)

    return open_layout
