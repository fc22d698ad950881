"""Which fields are whole in a folder, as files come, grow, change and go."""

import pytest
from astropy.io import fits

from pix2z.errors import InputError
from pix2z.field.arrivals import Arrivals

FIRST, SECOND = "000094-1-0012", "003918-3-0213"


@pytest.fixture
def arrivals(tmp_path):
    return Arrivals(tmp_path)


def put(folder, field, bands, *, content="", end=".fits.bz2"):
    for band in bands:
        (folder / f"frame-{band}-{field}{end}").write_text(content)


def names(arrivals):
    return [one.name for one in arrivals.look()]


def test_a_field_is_given_once_when_all_its_frames_are_there(arrivals, tmp_path):
    put(tmp_path, FIRST, "ugri")
    assert [names(arrivals), names(arrivals)] == [[], []]
    assert arrivals.lacking() == {FIRST: "z"}
    put(tmp_path, FIRST, "z", end=".fits")
    assert names(arrivals) == []
    (field,) = arrivals.look()
    assert field.name == FIRST
    assert [path.name[6] for path in field.paths] == list("giruz")
    last = max(path.stat().st_ctime for path in field.paths)
    assert field.arrived == pytest.approx(last, abs=1e-3)
    assert names(arrivals) == []
    assert arrivals.lacking() == {}


def test_a_file_that_grows_is_not_read(arrivals, tmp_path):
    put(tmp_path, FIRST, "ugriz")
    for length in range(1, 4):
        assert names(arrivals) == []
        put(tmp_path, FIRST, "r", content="x" * length)
        assert not arrivals.settled
    assert names(arrivals) == []
    assert names(arrivals) == [FIRST]


def test_of_a_file_that_grows_no_header_is_read_to_say_what_lacks(arrivals, tmp_path):
    put(tmp_path, FIRST, "ugri")
    names(arrivals)
    (tmp_path / "mine.fits").write_text("half")
    assert names(arrivals) == []
    assert arrivals.lacking() == {FIRST: "z"}
    assert arrivals.strangers == {}
    assert arrivals.strange() == set()
    assert names(arrivals) == []
    assert arrivals.strange() == {"mine.fits"}


def test_names_of_files_on_their_way_are_no_frames(arrivals, tmp_path):
    put(tmp_path, FIRST, "ugri")
    put(tmp_path, FIRST, "z", end=".fits.bz2.part")
    (tmp_path / f".frame-z-{FIRST}.fits.bz2").touch()
    (tmp_path / f"frame-z-{FIRST}.fits").symlink_to(tmp_path / "nothing")
    (tmp_path / f"frame-z-{FIRST}.fits.bz2").mkdir()
    (tmp_path / f"frame-z-{SECOND}.fits").symlink_to(tmp_path / f"frame-z-{SECOND}.fits")
    assert [names(arrivals), names(arrivals)] == [[], []]
    assert arrivals.lacking() == {FIRST: "z"}
    assert arrivals.strangers == {}


def test_a_field_is_given_again_when_a_frame_changes(arrivals, tmp_path):
    put(tmp_path, FIRST, "ugriz")
    assert [names(arrivals), names(arrivals)] == [[], [FIRST]]
    put(tmp_path, FIRST, "g", content="mended")
    assert [names(arrivals), names(arrivals), names(arrivals)] == [[], [FIRST], []]


def test_the_field_that_was_whole_first_comes_first(arrivals, tmp_path):
    put(tmp_path, SECOND, "ugriz")
    put(tmp_path, FIRST, "ugriz")
    (tmp_path / f"frame-u-{FIRST}.fits.bz2").chmod(0o600)  # a change, now
    assert [names(arrivals), names(arrivals)] == [[], [SECOND, FIRST]]


def test_a_frame_of_another_name_is_known_by_its_header(arrivals, tmp_path):
    put(tmp_path, FIRST, "ugri")
    hdu = fits.PrimaryHDU()
    hdu.header.update(FILTER="z", RUN=94, CAMCOL=1, FRAME=18)  # as SDSS has it
    hdu.writeto(tmp_path / "mine.fits")
    assert [names(arrivals), names(arrivals)] == [[], [FIRST]]


@pytest.mark.parametrize(
    "cards",
    [{}, {"FILTER": "V", "RUN": 94, "CAMCOL": 1, "FRAME": 12}, {"FILTER": "r", "RUN": "no"}],
)
def test_what_is_no_frame_is_named_once_and_again_when_it_changes(arrivals, tmp_path, cards):
    hdu = fits.PrimaryHDU()
    hdu.header.update(cards)
    stranger = tmp_path / "mine.fits"
    hdu.writeto(stranger)
    arrivals.look()
    arrivals.look()
    (error,) = arrivals.strangers.values()
    assert str(error).startswith(f"{stranger}: expected a name as frame-r-000094-1-0012.fits")
    arrivals.look()
    assert arrivals.strangers == {}
    stranger.write_text("no FITS at all")
    arrivals.look()
    arrivals.look()
    assert "damaged, or not a frame" in str(arrivals.strangers[stranger])


def test_a_folder_that_goes_away_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone: cannot be read"):
        Arrivals(tmp_path / "gone").look()
