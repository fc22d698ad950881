"""Small FITS files like those of SDSS: frames of one blob each, and spectra that name their field.

They are served under the paths of the Science Archive Server's data release 17.
"""

import bz2
import re
from functools import cache
from io import BytesIO
from urllib.parse import parse_qs

import numpy as np
from astropy.io import fits

from tests.archive.server import Archive

BANDS = "ugriz"
RA, DEC = 150.0, 2.0
SHAPE = (90, 120)
SCALE = 0.396 / 3600

FLUX = {"u": 20.0, "g": 80.0, "r": 150.0, "i": 200.0, "z": 250.0}
SIGMA = 2.5

PIXELS = {"first": 35_800, "count": 200}


def place_in(band: str) -> tuple[float, float]:
    """Column and row, from 0, at which RA, DEC falls in a band: each band has its own."""
    shift = BANDS.index(band)
    return 60.3 + 2.4 * shift, 45.7 - 1.3 * shift


@cache
def frame_bytes(band: str, *, wcs: bool = True, seed: int = 1) -> bytes:
    """A frame with a blob at RA, DEC, packed with bzip2."""
    column, row = place_in(band)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    blob = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * SIGMA**2))
    noise = np.random.default_rng([seed, BANDS.index(band)]).normal(0, 0.005, SHAPE)
    pixels = FLUX[band] * blob / (2 * np.pi * SIGMA**2) + noise
    hdu = fits.PrimaryHDU(pixels.astype(np.float32))
    if wcs:
        hdu.header.update(
            CTYPE1="RA---TAN",
            CTYPE2="DEC--TAN",
            CRVAL1=RA,
            CRVAL2=DEC,
            CRPIX1=column + 1,
            CRPIX2=row + 1,
            CD1_1=-SCALE,
            CD1_2=0.0,
            CD2_1=0.0,
            CD2_2=SCALE,
        )
    packed = BytesIO()
    hdu.writeto(packed)
    return bz2.compress(packed.getvalue())


def spectrum_bytes(
    *,
    field: tuple[int, int, int] = (1000, 2, 30),
    ra: float = RA,
    dec: float = DEC,
    z: float = 0.1,
    first: int = PIXELS["first"],
    count: int = PIXELS["count"],
    step: float = 1.0,
    **columns: np.ndarray | None,
) -> bytes:
    """A spectrum whose flux is the number of the pixel, from 0.

    field : run, camcol, field.
    columns : other values of a column of either table, or None to leave it out.
    """
    flux = np.arange(count, dtype="f4")
    coadd = {
        "flux": flux,
        "loglam": (1e-4 * (first + step * np.arange(count))).astype("f4"),
        "ivar": np.full(count, 2.0, "f4"),
        "model": flux + np.float32(0.5),
    }
    of_object = {
        "Z": np.float32([z]),
        "Z_ERR": np.float32([1e-5]),
        "ZWARNING": np.int32([0]),
        "CLASS": np.array(["GALAXY"]),
        "PLUG_RA": np.array([ra]),
        "PLUG_DEC": np.array([dec]),
        "OBJID": np.int32([[field[0], 301, field[1], field[2], 7]]),
    }
    written = BytesIO()
    tables = [
        _table(table | {k: columns[k] for k in table.keys() & columns.keys()})
        for table in (coadd, of_object)
    ]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(written)
    return written.getvalue()


def _table(columns: dict[str, np.ndarray | None]) -> fits.BinTableHDU:
    kept = {name: values for name, values in columns.items() if values is not None}
    dtype = [(name, values.dtype, values.shape[1:]) for name, values in kept.items()]
    rows = np.zeros(len(next(iter(kept.values()))), dtype)
    for name, values in kept.items():
        rows[name] = values
    return fits.BinTableHDU(rows)


def spectrum_path(plate: int, mjd: int, fiber: int, *, run2d: str = "26") -> str:
    branch = "sdss" if run2d in ("26", "103", "104") else "eboss"
    folder = f"/sas/dr17/{branch}/spectro/redux/{run2d}/spectra/lite/{plate:04d}"
    return f"{folder}/spec-{plate:04d}-{mjd:05d}-{fiber:04d}.fits"


def frame_path(band: str, run: int, camcol: int, field: int) -> str:
    folder = f"/sas/dr17/eboss/photoObj/frames/301/{run}/{camcol}"
    return f"{folder}/frame-{band}-{run:06d}-{camcol}-{field:04d}.fits.bz2"


def add_field(archive: Archive, run: int, camcol: int, field: int, *, bands: str = BANDS) -> None:
    for band in bands:
        archive.add(frame_path(band, run, camcol, field), frame_bytes(band, seed=field % 2))


def add_spectrum(archive: Archive, plate: int, mjd: int, fiber: int, **options: object) -> None:
    run2d = str(options.pop("run2d", "26"))
    archive.add(spectrum_path(plate, mjd, fiber, run2d=run2d), spectrum_bytes(**options))


SEARCH = "/dr17/SkyServerWS/SearchTools/SqlSearch"
NEAREST = re.compile(r"SELECT (\d+) AS n,objID FROM dbo\.fGetNearestObjEq\(([^)]*)\)")
ANSWERED = "n,objID,ra,dec,run,rerun,camcol,field,extinction_r,plate,mjd,fiberID,run2d"


def add_search(archive: Archive, *objects: str) -> str:
    """Answer as SkyServer does with the nearest of `objects`, each "objID,ra,..." to "run2d"."""

    def answer(query: str) -> bytes:
        (sql,) = parse_qs(query)["cmd"]
        assert parse_qs(query)["format"] == ["csv"]
        lines = ["#Table1", ANSWERED]
        for number, asked in NEAREST.findall(sql):
            ra, dec, radius = (float(value) for value in asked.split(","))
            apart = {}
            for one in objects:
                _, own_ra, own_dec, *_ = one.split(",")
                apart[one] = 60 * np.hypot(
                    (float(own_ra) - ra) * np.cos(np.deg2rad(dec)), float(own_dec) - dec
                )
            nearest = min(apart, key=lambda one: apart[one])
            if apart[nearest] <= radius:
                lines.append(f"{number},{nearest}")
        return "\n".join(lines).encode()

    archive.answers[SEARCH] = answer
    return archive.url + SEARCH
