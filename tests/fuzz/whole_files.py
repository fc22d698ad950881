"""Six whole files, one for each way in which galaxies are kept, before they are damaged."""

from pathlib import Path

import h5py
import numpy as np

from pix2z.ingest.galaxies import ingest

N = 6
USER_KEYS = {"images": "stamps", "redshift": "cat/z", "ra": "cat/ra", "dec": "cat/dec"}
USER_OPTIONS = [part for item in USER_KEYS.items() for part in ("-m", "=".join(item))]
USER_OPTIONS += ["-m", "unit=uJy", "-m", "bands=zirgu", "--layout", "hdf5"]


def stamps(side: int) -> np.ndarray:
    """Blobs with noise, (N, side, side, 5) nanomaggies, redder bands brighter."""
    rng = np.random.default_rng(5)
    x = np.arange(side) - (side - 1) / 2
    blob = np.exp(-(x[:, None] ** 2 + x**2) / 8)
    flux = np.array([0.3, 1.0, 2.0, 3.0, 4.0])
    images = blob[None, :, :, None] * flux + rng.normal(0, 0.03, (N, side, side, 5))
    return images.astype(np.float32)


def columns() -> dict[str, np.ndarray]:
    return {
        "specz_redshift": np.linspace(0.05, 0.2, N).astype("f4"),
        "specz_redshift_err": np.full(N, 1e-4, "f4"),
        "ObjID": np.arange(N) + 1237648720142532608,
        "ra": np.linspace(10.0, 20.0, N),
        "dec": np.linspace(-5.0, 5.0, N),
        "e_bv": np.full((N, 5), 0.1, "f4"),
    }


def write_sdss32(path: Path) -> None:
    _write_standard(path, side=32, chunks=None)


def write_nersc(path: Path) -> None:
    _write_standard(path, side=107, chunks=(1, 5, 107, 107))


def _write_standard(path: Path, *, side: int, chunks: tuple[int, ...] | None) -> None:
    with h5py.File(path, "w") as file:
        images = stamps(side).transpose(0, 3, 1, 2)
        file.create_dataset("images", data=images, chunks=chunks, compression=chunks and "gzip")
        for key, values in columns().items():
            file[key] = values


def write_user(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["stamps"] = stamps(40)[..., ::-1] * np.float32(3.631)
        for key, name in (("cat/z", "specz_redshift"), ("cat/ra", "ra"), ("cat/dec", "dec")):
            file[key] = columns()[name]


def write_pasquet(path: Path, save=np.savez) -> None:
    facts = columns()
    names = {"z": "specz_redshift", "ra": "ra", "dec": "dec", "objID": "ObjID"}
    labels = np.zeros(N, [(name, facts[key].dtype) for name, key in names.items()])
    for name, key in names.items():
        labels[name] = facts[key]
    save(path, cube=stamps(64), labels=labels)


def write_pasquet_compressed(path: Path) -> None:
    write_pasquet(path, np.savez_compressed)


def write_ingested(path: Path) -> None:
    raw = path.with_name("ingested.h5")
    write_sdss32(raw)
    limits = {"z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}
    ingest(raw, path, layout="sdss32", check_photometry=False, **limits)
    raw.unlink()


LAYOUTS = {
    "sdss32.h5": (write_sdss32, []),
    "nersc.h5": (write_nersc, []),
    "user.h5": (write_user, USER_OPTIONS),
    "pasquet.npz": (write_pasquet, []),
    "compressed.npz": (write_pasquet_compressed, []),
    "galaxies.h5": (write_ingested, []),
}
