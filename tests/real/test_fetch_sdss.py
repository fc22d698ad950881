"""`pix2z fetch sdss` on real frames and spectra, served by this machine; then ingest."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from pix2z.archive.frames import cut_stamps, read_frame
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.ingest.galaxies import ingest
from tests.archive.synthetic_sdss import BANDS
from tests.real.conftest import LIMITS, pix2z

LISTED = """#Table1
plate,mjd,fiberid,run2d,specobj_id,ra,dec,sn_median_r,z,zerr,zwarning,class,subclass
266,51630,168,26,'299535582055393280',146.2222,-0.3759,16.1,0.06741,1.5E-05,0,'GALAXY',''
266,51630,215,26,'299548501317019648',145.6479,-0.7718,20.3,0.02165,1.1E-05,0,'GALAXY',''
266,51630,367,26,'299590282758875136',145.8505,1.2035,17.2,0.06182,1.2E-05,0,'GALAXY',''
267,51608,413,26,'300728826680338432',147.7899,0.9162,15.0,0.09404,1.8E-05,0,'GALAXY',''
268,51633,74,26,'301761543396157440',150.3288,-0.1678,14.8,0.09193,2.2E-05,0,'GALAXY',''
1678,53433,425,26,'1889376924388583424',229.5256,42.7459,20.1,0.04027,1.4E-05,16,'GALAXY',''
"""
NAME = "1678-53433-0425"


@pytest.fixture(scope="module")
def fetched(archive, tmp_path_factory):
    """The file that the command makes of the list."""
    folder = tmp_path_factory.mktemp("sdss")
    (folder / "galaxies.csv").write_text(LISTED)
    pix2z("fetch", "sdss", folder / "galaxies.csv", "--base-url", archive.url)
    return folder / "sdss.h5"


def test_the_galaxy_is_that_of_its_frames_and_its_spectrum(fetched, real_data):
    frames = {b: read_frame(real_data / f"frames/frame-{b}-003918-3-0213.fits.bz2") for b in BANDS}
    with (
        h5py.File(fetched, "r") as file,
        fits.open(real_data / f"spectra/spec-{NAME}.fits") as spectrum,
    ):
        coadd, (found,) = spectrum[1].data, spectrum[2].data
        stamp = cut_stamps(frames, ra=found["PLUG_RA"], dec=found["PLUG_DEC"])
        np.testing.assert_array_equal(file["images"][0], stamp.transpose(2, 0, 1))
        assert file["images"].shape == (1, 5, 32, 32)
        assert file["specz_redshift"][0] == found["Z"] == pytest.approx(0.04027, abs=1e-5)
        assert file["zwarning"][0] == 16
        assert file["class"][0] == b"GALAXY"
        assert int(file["specObjID"][0]) == int(found["SPECOBJID"])
        assert int(file["ObjID"][0]) == 1678_53433_0425
        loglam = file["spectra/loglam"][...]
        covered = np.isfinite(file["spectra/flux"][0])
        np.testing.assert_allclose(loglam[covered], coadd["loglam"], atol=1e-6)
        np.testing.assert_array_equal(file["spectra/flux"][0][covered], coadd["flux"])
        np.testing.assert_array_equal(file["spectra/model"][0][covered], coadd["model"])
        np.testing.assert_array_equal(file["spectra/ivar"][0][covered], coadd["ivar"])


def test_a_redshift_under_reserve_is_left_out_unless_it_is_asked_for(fetched, tmp_path):
    limits = {"classes": ("GALAXY",), **LIMITS}
    with pytest.raises(InputError, match="no good row among 1 .*ZWARNING is not 0: 1"):
        ingest(fetched, tmp_path / "g.h5", z_warnings=(0,), **limits)
    report = ingest(fetched, tmp_path / "g.h5", z_warnings=(0, 16), **limits)
    assert report["n_good"] == 1
    with open_galaxies(tmp_path / "g.h5") as galaxies:
        assert galaxies.column("row_origin").tolist() == [0]
        assert 13 < galaxies.column("mag_r")[0] < 17


def test_inspect_tells_of_the_spectra(fetched, monkeypatch, capsys):
    monkeypatch.chdir(fetched.parent)
    pix2z("inspect", "sdss.h5")
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "spectra flux, ivar, loglam, model: 4,701 pixels" in said
    assert "ZWARNING 16: 1" in said
    assert "class GALAXY: 1" in said
    assert "1 of 1 rows: ZWARNING is not 0" in said
