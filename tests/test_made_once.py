"""What several rooms need is made once for all of them, and whole."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import made_once


@pytest.fixture
def room(tmp_path_factory, tmp_path):
    """Return what a room does that needs a folder; every making leaves a line in `made`."""

    def needs(_number=0, *, fails=False):
        def make(folder):
            with (tmp_path / "made").open("a") as made:
                made.write("once\n")
            assert not fails
            (folder / "content").write_text("whole")

        return made_once("thing", tmp_path_factory, make) / "content"

    return needs


def n_made(tmp_path):
    return len((tmp_path / "made").read_text().splitlines())


@pytest.fixture
def shared(tmp_path, monkeypatch):
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("PIX2Z_TEST_SHARED", str(tmp_path / "shared"))


@pytest.mark.usefixtures("shared")
def test_rooms_that_share_make_it_once(room, tmp_path):
    with ThreadPoolExecutor(4) as rooms:
        (path,) = set(rooms.map(room, range(8)))
    assert path.read_text() == "whole"
    assert path.is_relative_to(tmp_path / "shared")
    assert n_made(tmp_path) == 1


@pytest.mark.usefixtures("shared")
def test_where_one_fails_the_next_makes_it(room, tmp_path):
    with pytest.raises(AssertionError):
        room(fails=True)
    assert room().read_text() == "whole"
    assert n_made(tmp_path) == 2


def test_a_room_alone_makes_its_own(room, tmp_path, monkeypatch):
    monkeypatch.delenv("PIX2Z_TEST_SHARED", raising=False)
    assert room() != room()
    assert n_made(tmp_path) == 2
