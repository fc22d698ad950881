"""Five frames become one field, or one line says why they do not."""

import numpy as np
import pytest
from astropy.io import fits

from pix2z.errors import InputError
from pix2z.field.frames import open_field, open_fields
from tests.field.planted import BANDS, plant, write_field


def altered(path, folder, alter):
    """Return a copy of an unpacked frame whose HDU was altered."""
    with fits.open(path) as hdus:
        hdus[0].data = hdus[0].data.astype(np.float32)
        alter(hdus[0])
        hdus.writeto(folder / path.name)
    return folder / path.name


def test_bands_are_known_by_their_headers_in_any_order(frames, paths):
    assert "".join(frames) == BANDS
    assert all(frames[path.name[0]].path == path for path in paths)


def test_a_missing_band_is_named(paths):
    with pytest.raises(InputError, match="expected one frame each of u g r i z; none is of z$"):
        open_field(paths[1:])


def test_a_band_twice_is_refused(paths):
    with pytest.raises(InputError, match=r"r\.fits: band r, as .*r\.fits is"):
        open_field([*paths[:4], paths[2]])
    with pytest.raises(InputError, match="received 6 files"):
        open_field([*paths, paths[0]])


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda hdu: hdu.header.update(CRVAL1=150.01), r"middle lies 84 pixels from that of .*r\."),
        (lambda hdu: hdu.header.update(RUN=95), "run and camera column 95-1, .*r.fits of 94-1"),
        (lambda hdu: setattr(hdu, "data", hdu.data[1:]), "expected 560 x 400 pixels as in"),
        (lambda hdu: hdu.header.pop("FILTER"), r"z\.fits: no card FILTER says which of ugriz"),
        (lambda hdu: hdu.header.pop("CTYPE1"), r"z\.fits: header has no celestial WCS"),
    ],
)
def test_what_is_no_band_of_this_field_is_named(paths, tmp_path, alter, words):
    other = altered(paths[0], tmp_path, alter)
    with pytest.raises(InputError, match=words) as caught:
        open_field([other, *paths[1:]])
    assert "\n" not in str(caught.value)


def test_a_packed_file_that_is_cut_is_named(paths, tmp_path):
    cut = tmp_path / paths[1].name
    cut.write_bytes(paths[1].read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"g\.fits\.bz2: not a FITS frame"):
        open_field([cut, *(path for path in paths if path != paths[1])])


@pytest.mark.parametrize("card", [{"RUN": 95}, {"CRVAL1": 150.1}])
def test_frames_of_several_fields_are_told_apart_by_run_and_place(paths, tmp_path, card):
    (tmp_path / "other").mkdir()
    field = write_field(tmp_path, plant(n_stars=5, n_galaxies=0), packed="", saturated=False)
    other = [
        altered(path, tmp_path / "other", lambda hdu: hdu.header.update(card)) for path in field
    ]
    first, second = open_fields([*other[:2], *paths, *other[2:]])
    assert "".join(first) == "".join(second) == BANDS
    assert {frame.path for frame in first.values()} == set(other)
    with pytest.raises(InputError, match=r"expected one frame each of u g r i z; none is of z$"):
        open_fields([*paths, *other[1:]])
    with pytest.raises(InputError, match=r"r\.fits: band r, as .*r\.fits is"):
        open_fields([*paths, paths[2]])
