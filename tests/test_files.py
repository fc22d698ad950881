import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.errors import InputError
from pix2z.files import atomic_path, file_digest, read_json, text_digest, write_json


def test_atomic_path_leaves_the_whole_file_and_nothing_else(tmp_path):
    final = tmp_path / "new" / "out.h5"
    with atomic_path(final) as partial:
        partial.write_text("first half ")
        assert not final.exists()
        assert partial.suffix == ".h5"
        assert partial.parent == final.parent
        with partial.open("a") as file:
            file.write("second half")
    assert final.read_text() == "first half second half"
    assert [path.name for path in final.parent.iterdir()] == ["out.h5"]


def write_half_and_fail(path):
    with atomic_path(path) as partial:
        partial.write_text("half")
        raise RuntimeError("killed")


def test_atomic_path_keeps_the_old_file_when_writing_fails(tmp_path):
    final = tmp_path / "out.txt"
    final.write_text("old")
    with pytest.raises(RuntimeError, match="killed"):
        write_half_and_fail(final)
    assert final.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_atomic_path_starts_afresh_after_a_kill(tmp_path):
    final = tmp_path / "out.txt"
    with atomic_path(final) as partial:
        partial.write_text("x")
        name = partial.name
    (tmp_path / name).write_text("what a killed process left")
    with atomic_path(final) as partial:
        assert not partial.exists()
        partial.write_text("new")
    assert final.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_atomic_path_needs_a_file(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.txt"):
        pass


def test_json_roundtrip_and_its_last_line(tmp_path):
    value = {"σ": [1, 2.5, None, True], "nested": {"a": "b"}}
    write_json(tmp_path / "a" / "v.json", value)
    text = (tmp_path / "a" / "v.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "σ" in text
    assert read_json(tmp_path / "a" / "v.json") == json.loads(text) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number(tmp_path, number):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "v.json", {"a": number})
    assert list(tmp_path.iterdir()) == []


def test_unreadable_json_is_named(tmp_path):
    with pytest.raises(InputError, match=r"v\.json: cannot be read"):
        read_json(tmp_path / "v.json")
    (tmp_path / "v.json").write_text("{")
    with pytest.raises(InputError, match=r"v\.json: not valid JSON"):
        read_json(tmp_path / "v.json")


def test_file_digest_is_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="cannot be read"):
        file_digest(tmp_path / "missing")


def test_text_digest_is_sha256_of_closed_texts():
    assert text_digest("a", "b") == hashlib.sha256(b"a\0b\0").hexdigest()


TEXTS = st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=3))


@given(one=TEXTS, other=TEXTS)
def test_text_digest_tells_lists_apart(one, other):
    assert (text_digest(*one) == text_digest(*other)) == (one == other)
