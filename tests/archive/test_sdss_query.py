"""Galaxies of which a list says the position alone, beside a server that answers as SkyServer."""

from urllib.parse import unquote_plus

import h5py
import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.ingest.source import open_source
from tests.archive.synthetic_sdss import BANDS, FLUX, SEARCH, add_search

WITH_SPECTRUM = "1237650000000000001,150.0,2.0,1000,301,2,30,0.2751,300,51000,1,26"
WITHOUT = "1237650000000000002,150.002,2.0,1000,301,2,30,0.5502,null,null,null,null"


@pytest.fixture
def search(archive):
    return add_search(archive, WITH_SPECTRUM, WITHOUT)


def test_a_position_gives_image_extinction_and_redshift(fetch, search, out):
    text = "RA,DEC\n150.0005,2.0003\n150.0021,2.0\n150.1,2.0\n"
    outcome = fetch(text, query_url=search)
    assert (outcome.n_galaxies, outcome.n_spectra, outcome.n_fields) == (2, 1, 1)
    (failure,) = outcome.failures
    assert (failure.row, failure.name) == (3, "150.10000+2.00000")
    assert failure.reason == "no object of SDSS's imaging within 3 arcsec"
    with h5py.File(out) as file:
        assert file["ObjID"][...].tolist() == [300_51000_0001, 1237650000000000002]
        assert file["specz_redshift"][...].tolist() == pytest.approx([0.05, np.nan], nan_ok=True)
        assert file["e_bv"][...].tolist() == pytest.approx([0.1, 0.2])
        assert file["ra"][...].tolist() == [150.0, 150.002]
        assert file["zwarning"][...].tolist() == [0, -1]
        assert file["class"][...].tolist() == [b"GALAXY", b""]
        assert np.isnan(file["spectra/model"][1]).all()
        fluxes = file["images"][0].sum(axis=(1, 2))
    assert fluxes.tolist() == pytest.approx([FLUX[band] for band in BANDS], abs=2.0)


def test_a_file_without_any_spectrum_has_no_redshifts_but_is_read(fetch, search, out):
    outcome = fetch("ra,dec,ebv\n150.0021,2.0,0.7\n", query_url=search)
    assert (outcome.n_galaxies, outcome.n_spectra) == (1, 0)
    with open_source(out) as survey:
        assert not survey.table.has_redshifts
        assert survey.table.ebv.tolist() == pytest.approx([0.7])  # the list's own
        assert np.isfinite(survey.read_images(0, 1)).all()


def test_a_list_with_fields_asks_nothing(fetch, archive, out):
    outcome = fetch("ra,dec,run,camcol,field\n150.0,2.0,1000,2,30\n")
    assert outcome.n_galaxies == 1
    assert len(archive.asked) == len(BANDS)
    with h5py.File(out) as file:
        assert file["ObjID"][...].tolist() == [1]
        assert "e_bv" not in file


def test_queries_are_small_and_asked_once(fetch, archive, search, tmp_path):
    rows = "".join(f"{150 + 0.1 * n},2.0\n" for n in range(30))
    fetch(f"ra,dec\n{rows}", query_url=search)
    asked = [path for path in archive.asked if path.startswith(SEARCH)]
    assert len(asked) == 3
    assert max(len(search) + len(path) for path in asked) < 2048
    assert "dbo.fGetNearestObjEq(150.000000,2.000000,0.05)" in unquote_plus(" ".join(asked))
    archive.asked.clear()
    fetch(f"ra,dec\n{rows}", query_url=search)
    assert archive.asked == []


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"#Table1\nerror_message\nbusy\n", b""])
def test_an_answer_that_is_no_table_is_named_and_not_kept(fetch, archive, search, body):
    good = archive.answers[SEARCH]
    archive.answers[SEARCH] = lambda _: body
    with pytest.raises(InputError, match=r"SqlSearch: expected a table of objects"):
        fetch("ra,dec\n150,2\n", query_url=search)
    archive.answers[SEARCH] = good
    assert fetch("ra,dec\n150,2\n", query_url=search).n_galaxies == 1
