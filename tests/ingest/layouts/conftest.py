"""The same twelve galaxies, written in every layout."""

import h5py
import numpy as np
import pytest

N = 12


@pytest.fixture
def galaxies():
    """Stamps (N, 32, 32, 5) in nanomaggies and the columns of 12 galaxies."""
    rng = np.random.default_rng(21)
    return {
        "stamps": rng.normal(size=(N, 32, 32, 5)).astype(np.float32),
        "object_id": 1_237_650_000_000_000_000 + np.arange(N),
        "ra": rng.uniform(0, 360, N),
        "dec": rng.uniform(-90, 90, N),
        "ebv": rng.uniform(0, 0.1, N).astype(np.float32),
        "z": rng.uniform(0, 0.4, N).astype(np.float32),
        "z_error": np.full(N, 1e-4, np.float32),
    }


@pytest.fixture
def write(tmp_path):
    """Return a function that writes key -> array as HDF5, with attributes of the file."""

    def write_file(keys, *, name="raw.h5", **attributes):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            file.attrs.update(attributes)
            for key, values in keys.items():
                file[key] = values
        return path

    return write_file


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


def pasquet_labels(galaxies):
    """Structured labels with columns beside those that are read."""
    names = {"ra": "ra", "dec": "dec", "EBV": "ebv", "z": "z", "zErr": "z_error"}
    dtype = [(name, galaxies[key].dtype) for name, key in names.items()]
    labels = np.zeros(N, [("specObjID", "i8"), ("class", "S8"), *dtype, ("bestObjID", "i8")])
    for name, key in names.items():
        labels[name] = galaxies[key]
    labels["bestObjID"] = galaxies["object_id"]
    labels["specObjID"] = 7
    return labels


@pytest.fixture
def written(galaxies, write, write_npz):
    """Return a function that writes the galaxies in a layout; `dropped` columns are left out."""

    def write_layout(layout, *, dropped=()):
        kept = {name: values for name, values in galaxies.items() if name not in dropped}
        if layout == "pasquet":
            labels = pasquet_labels(galaxies)
            fields = {"z": "z", "z_error": "zErr", "ebv": "EBV", "ra": "ra", "dec": "dec"}
            gone = {fields[name] for name in dropped if name in fields}
            if "object_id" in dropped:
                gone |= {"bestObjID", "specObjID"}
            labels = labels[[name for name in labels.dtype.names if name not in gone]]
            cube = framed(galaxies["stamps"], side=64, first=16)
            return write_npz({"cube": cube, "labels": np.ascontiguousarray(labels)})
        if layout == "hdf5":
            path = write({"pix/stamps": kept.pop("stamps")})
            with h5py.File(path, "a") as file:
                for name, values in kept.items():
                    file[f"cat/{name}"] = values
            return path
        names = {
            "object_id": "ObjID",
            "ra": "ra",
            "dec": "dec",
            "ebv": "e_bv",
            "z": "specz_redshift",
            "z_error": "specz_redshift_err",
        }
        stamps = galaxies["stamps"]
        if layout == "nersc":
            stamps = framed(stamps, side=107, first=37)
        keys = {names[name]: values for name, values in kept.items() if name in names}
        return write({"images": stamps.transpose(0, 3, 1, 2), **keys})

    return write_layout


@pytest.fixture
def mapping():
    """Return a function that makes the mapping of the `hdf5` files that `written` writes."""
    from pix2z.config.ingest import Hdf5Mapping

    def make(*, dropped=(), **changes):
        keys = {
            "redshift": "cat/z",
            "redshift_error": "cat/z_error",
            "object_id": "cat/object_id",
            "ra": "cat/ra",
            "dec": "cat/dec",
            "ebv": "cat/ebv",
        }
        gone = {
            "redshift" if d == "z" else "redshift_error" if d == "z_error" else d for d in dropped
        }
        kept = {field: key for field, key in keys.items() if field not in gone}
        return Hdf5Mapping(**{"images": "pix/stamps", "unit": "nanomaggy", **kept, **changes})

    return make
