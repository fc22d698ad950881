"""From a list of SDSS objects to spectra of their images, drawn beside SDSS's own."""

from io import BytesIO

import h5py
import numpy as np
import pytest
from astropy.io import fits

from tests.archive.server import archive_serving
from tests.archive.synthetic_sdss import add_field, add_spectrum, spectrum_bytes, spectrum_path

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


def test_galaxies_of_a_list_have_spectra_and_sdss_s_own_beside_them(
    archive, trained_spectrum, pix2z_in, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr("urllib3.util.Retry.sleep", lambda *_: None)
    monkeypatch.setattr(
        "pix2z.catalogue.spectra.plot_spectra", lambda shown, **_: drawn.extend(shown)
    )
    rows = "".join(f"300,51000,{fiber},0.03\n" for fiber in (GOOD, NO_IVAR, NO_U))
    (tmp_path / "list.csv").write_text(f"plate,mjd,fiberid,ebv\n{rows}")
    assert pix2z_in(tmp_path, "fetch", "sdss", "list.csv", "--base-url", archive.url)[0] == 0
    out = ("--out", "spectra.hdf5", "--plot", "spectra.png", "--no-check")
    assert pix2z_in(tmp_path, "spectrum", "sdss.h5", "--model", trained_spectrum, *out)[0] == 0
    with h5py.File(tmp_path / "spectra.hdf5", "r") as file:
        assert (file["object_id"][...] % 10**4).tolist() == [GOOD, NO_IVAR, NO_U]
        assert file["pix2z_flags"][...].tolist() == [0, 0, 1]
        assert np.isfinite(file["flux"][...]).all()
        np.testing.assert_allclose(file["ebv"][...], 0.03)
    assert len(drawn) == 3
    assert all(one.truth is not None for one in drawn)
