"""Whole files, one for each way in which galaxies are kept, before they are damaged."""

from functools import partial
from pathlib import Path

from pix2z.ingest.galaxies import ingest
from tests.ingest.layout_files import USER_KEYS, first_galaxies, write_layout

N = 6
USER_MAPPING = {"images": "pix/stamps", "unit": "uJy", "bands": "zirgu", **USER_KEYS}
USER_OPTIONS = [part for item in USER_MAPPING.items() for part in ("-m", "=".join(item))]


def write(path: Path, *, layout: str, compressed: bool = False) -> None:
    write_layout(path, layout, first_galaxies(N), compressed=compressed)


def write_ingested(path: Path) -> None:
    raw = path.with_name("ingested.h5")
    write(raw, layout="sdss32")
    limits = {"z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}
    ingest(raw, path, layout="sdss32", check_photometry=False, **limits)
    raw.unlink()


LAYOUTS = {
    "sdss32.h5": (partial(write, layout="sdss32"), []),
    "nersc.h5": (partial(write, layout="nersc", compressed=True), []),
    "user.h5": (partial(write, layout="hdf5"), [*USER_OPTIONS, "--layout", "hdf5"]),
    "pasquet.npz": (partial(write, layout="pasquet"), []),
    "compressed.npz": (partial(write, layout="pasquet", compressed=True), []),
    "galaxies.h5": (write_ingested, []),
    "cube.fits": (partial(write, layout="fits"), ["-m", "redshift=z"]),
}
