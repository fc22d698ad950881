"""From a list of SDSS objects to spectra and redshifts, some of them without a good pixel."""

import csv
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits

from pix2z import cli
from tests.archive.server import archive_serving
from tests.archive.synthetic_sdss import add_field, add_spectrum, spectrum_bytes, spectrum_path

HTML = b"<!DOCTYPE html><title>Not found</title>" * 100
GOOD, NO_IVAR, NO_U = 1, 2, 3


def without_ivar(content: bytes) -> bytes:
    written = BytesIO()
    with fits.open(BytesIO(content)) as hdus:
        hdus[1].data["ivar"] = 0.0
        hdus.writeto(written)
    return written.getvalue()


@pytest.fixture(scope="module")
def archive():
    with archive_serving() as served:
        add_field(served, 1000, 2, 30)
        add_spectrum(served, 300, 51000, GOOD)
        served.add(spectrum_path(300, 51000, NO_IVAR), without_ivar(spectrum_bytes()))
        add_field(served, 1000, 2, 32, bands="griz")
        add_spectrum(served, 300, 51000, NO_U, field=(1000, 2, 32))
        yield served


def run(*arguments) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["pix2z", *map(str, arguments)])
        patch.setattr("urllib3.util.Retry.sleep", lambda *_: None)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code or 0


@pytest.fixture(scope="module")
def folder(archive, trained_spectrum, tmp_path_factory) -> Path:
    """Folder with sdss.h5, and spectra.hdf5 of a small network."""
    folder = tmp_path_factory.mktemp("chain")
    rows = "".join(f"300,51000,{fiber},0.03\n" for fiber in (GOOD, NO_IVAR, NO_U))
    (folder / "list.csv").write_text(f"plate,mjd,fiberid,ebv\n{rows}")
    assert run("fetch", "sdss", folder / "list.csv", "--base-url", archive.url) == 0
    out = ("--out", folder / "spectra.hdf5", "--plot", folder / "spectra.png", "--no-check")
    assert run("spectrum", folder / "sdss.h5", "--model", trained_spectrum, *out) == 0
    return folder


def test_galaxies_have_spectra_and_flags(folder):
    with h5py.File(folder / "spectra.hdf5", "r") as file:
        assert (file["object_id"][...] % 10**4).tolist() == [GOOD, NO_IVAR, NO_U]
        assert file["flags"][...].tolist() == [0, 0, 1]
        assert np.isfinite(file["flux"][...]).all()
        np.testing.assert_allclose(file["ebv"][...], 0.03)
    assert (folder / "spectra.png").stat().st_size > 10_000


def test_spectra_without_a_good_pixel_have_no_redshift_and_pages_are_no_spectra(
    folder, tmp_path, capsys
):
    (tmp_path / "page.fits").write_bytes(HTML)
    cached = sorted(folder.rglob("spec-0300-51000-*.fits"))
    good, no_ivar = cached[0], cached[1]
    files = (no_ivar, tmp_path / "page.fits", good)
    assert run("redshift", *files, "--out", tmp_path / "z.csv") == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {tmp_path / 'page.fits'}: ")
    found = list(csv.DictReader((tmp_path / "z.csv").read_text().splitlines()))
    assert [row["file"] for row in found] == [str(no_ivar), str(good)]
    assert (int(found[0]["flags"]) & 1, found[0]["z"]) == (1, "nan")
