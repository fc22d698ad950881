"""Galaxies in every layout beside trained networks, and commands that are run there."""

import io
import os
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits

from pix2z import cli
from pix2z.dataset.store import open_galaxies

N = 40


def framed(stamps, *, side, first):
    whole = np.zeros((len(stamps), side, side, 5), np.float32)
    whole[:, first : first + 32, first : first + 32] = stamps
    return whole


def write_hdf5(path, keys):
    with h5py.File(path, "w") as file:
        for key, values in keys.items():
            file[key] = values


def write_fits(folder, stamps, object_id, ebv):
    """Write a cube of all galaxies in nanojansky, and a folder with a file of bands of each."""
    cube = fits.ImageHDU(stamps * np.float32(3631))
    cube.header["BUNIT"] = "nJy"
    table = fits.BinTableHDU(np.rec.fromarrays([object_id, ebv], names="ID,EBV"))
    fits.HDUList([fits.PrimaryHDU(), cube, table]).writeto(folder / "cube.fits")
    (folder / "cutouts").mkdir()
    for number, stamp in enumerate(stamps):
        primary = fits.PrimaryHDU()
        primary.header.update(BUNIT="nmgy", ID=int(object_id[number]), EBV=float(ebv[number]))
        bands = [fits.ImageHDU(stamp[n], name=band) for n, band in enumerate("ugriz")]
        fits.HDUList([primary, *bands[::-1]]).writeto(folder / f"cutouts/galaxy-{number:02}.fits")


def write_layouts(folder: Path, galaxies_path: Path) -> None:
    """Write the first galaxies of `galaxies_path` in every layout."""
    with open_galaxies(galaxies_path) as galaxies:
        rows = np.arange(N)
        stamps = galaxies.images(rows)
        names = ("object_id", "ebv", "specz_redshift")
        object_id, ebv, z_spec = (galaxies.column(name, rows) for name in names)
    stamps[3, :5] = np.nan
    columns = {"ObjID": object_id, "e_bv": ebv}
    first = stamps.transpose(0, 3, 1, 2)
    write_hdf5(folder / "sdss32.h5", {"images": first, "specz_redshift": z_spec, **columns})
    wide = framed(stamps, side=107, first=37).transpose(0, 3, 1, 2)
    write_hdf5(folder / "nersc.h5", {"images": wide, **columns})
    keys = {"pix/stamps": stamps[..., ::-1], "cat/id": object_id, "cat/ebv": ebv}
    write_hdf5(folder / "hdf5.h5", keys)
    labels = np.zeros(N, [("objID", "i8"), ("EBV", "f4")])
    labels["objID"], labels["EBV"] = object_id, ebv
    cube = framed(stamps, side=64, first=16)
    np.savez(folder / "pasquet.npz", cube=cube, labels=labels)
    arrays = {"stamps": first, "id": object_id, "ebv": ebv}
    np.savez_compressed(folder / "mine.npz", **arrays)
    (folder / "arrays").mkdir()
    for name, values in arrays.items():
        np.save(folder / f"arrays/{name}.npy", values)
    write_fits(folder, first, object_id, ebv)
    shutil.copy(galaxies_path, folder / "galaxies.h5")
    with h5py.File(folder / "galaxies.h5", "r+") as file:
        for name in list(file):
            kept = file[name][:N]
            del file[name]
            file[name] = stamps if name == "images" else kept


@pytest.fixture(scope="session")
def images_folder(tmp_path_factory, sample_path, trained_pool, trained_spectrum) -> Path:
    """A folder with models/full, spectrum/models/full, and the same galaxies in every layout."""
    folder = tmp_path_factory.mktemp("images")
    shutil.copytree(trained_pool, folder / "models/full")
    shutil.copytree(trained_spectrum, folder / "spectrum/models/full")
    write_layouts(folder, sample_path)
    return folder


def run_pix2z(folder: Path, *arguments: object, terminal: bool = False) -> tuple[int, str, str]:
    """Run ``pix2z`` in a folder: exit code, stdout, as a terminal's where that is said, stderr."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    out.isatty = lambda: terminal
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setenv("PIX2Z_HOME", os.environ.get("PIX2Z_HOME", ""))  # which --repo sets
        patch.setattr("sys.argv", ["pix2z", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


def one_line(answer: tuple[int, str, str], *words: str, code: int = 2) -> None:
    """Hold that a command refused what it was given, in one line with these words."""
    ended, said, errors = answer
    assert (ended, said, errors.count("\n")) == (code, "", 1), errors
    assert errors.startswith("error: ")
    for one in words:
        assert one in errors


@pytest.fixture
def pix2z_in() -> Callable[..., tuple[int, str, str]]:
    """Return what runs ``pix2z`` in a folder: exit code, stdout, stderr."""
    return run_pix2z
