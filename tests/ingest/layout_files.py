"""Small raw files: fifty galaxies with NERSC's keys, and the first of them in every layout."""

from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

from pix2z.config.ingest import Hdf5Mapping
from pix2z.ingest.raw import RawSurvey
from pix2z.ingest.source import open_source

N_PARENTS = 40
N_MOVED = 10

STANDARD_KEYS = {
    "object_id": "ObjID",
    "ra": "ra",
    "dec": "dec",
    "ebv": "e_bv",
    "z": "specz_redshift",
    "z_error": "specz_redshift_err",
}
LABELS = {"object_id": "bestObjID", "ebv": "EBV", "z_error": "zErr"}
USER_KEYS = {"redshift": "cat/z", "redshift_error": "cat/z_error"} | {
    name: f"cat/{name}" for name in ("object_id", "ra", "dec", "ebv")
}
"""Roles in the mapping of the layout hdf5, and the keys that it is written with."""

Arrays = dict[str, np.ndarray]


def raw_content() -> Arrays:
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


def first_galaxies(n: int) -> Arrays:
    """Stamps (n, 32, 32, 5) in nanomaggies, and the columns that every layout may have."""
    raw = raw_content()
    columns = {name: raw[key][:n] for name, key in STANDARD_KEYS.items()}
    return {"stamps": np.ascontiguousarray(raw["images"][:n].transpose(0, 2, 3, 1)), **columns}


def read(path: Path, layout: str | None = None, **given: object) -> tuple[np.ndarray, RawSurvey]:
    """All stamps of a file, and its survey; `given` are entries of a mapping."""
    with open_source(path, layout=layout, mapping=Hdf5Mapping(**given)) as survey:
        return survey.read_images(0, len(survey.table)), survey


def write_hdf5(path: Path, content: Arrays, *, compressed: bool = False, **attributes) -> Path:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update({"source": "a test"} | attributes)
        for key, values in content.items():
            options = {"chunks": (1, *values.shape[1:]), "compression": "gzip"}
            file.create_dataset(key, data=values, **(options if compressed else {}))
    return path


def write_layout(path: Path, layout: str, galaxies: Arrays, *, compressed: bool = False) -> Path:
    """Write galaxies as `first_galaxies` gives them, all columns or some, in a layout."""
    columns = dict(galaxies)
    stamps = columns.pop("stamps")
    if layout == "pasquet":
        save = np.savez_compressed if compressed else np.savez
        save(path, cube=_framed(stamps, side=64, first=16), labels=_labels(columns, len(stamps)))
        return path
    if layout == "fits":
        cube = fits.ImageHDU(stamps.transpose(0, 3, 1, 2))
        cube.header["BUNIT"] = "nmgy"
        table = fits.BinTableHDU(np.rec.fromarrays(list(columns.values()), names=list(columns)))
        fits.HDUList([fits.PrimaryHDU(), cube, table]).writeto(path)
        return path
    if layout == "hdf5":
        content = {"pix/stamps": stamps} | {f"cat/{k}": v for k, v in columns.items()}
    else:
        if layout == "nersc":
            stamps = _framed(stamps, side=107, first=37)
        keys = {STANDARD_KEYS[name]: values for name, values in columns.items()}
        content = {"images": stamps.transpose(0, 3, 1, 2), **keys}
    return write_hdf5(path, content, compressed=compressed)


def _framed(stamps: np.ndarray, *, side: int, first: int) -> np.ndarray:
    """Stamps in the middle of larger ones, whose border is loud."""
    n, _, _, bands = stamps.shape
    whole = np.full((n, side, side, bands), 1e6, np.float32)
    whole[:, first : first + 32, first : first + 32] = stamps
    return whole


def _labels(columns: Arrays, n: int) -> np.ndarray:
    """Structured labels of these columns, beside one that is not read."""
    dtype = [(LABELS.get(key, key), values.dtype) for key, values in columns.items()]
    labels = np.zeros(n, [("class", "S8"), *dtype])
    for key, values in columns.items():
        labels[LABELS.get(key, key)] = values
    return labels
