import pytest

from pix2z.tuning.journal import journal_path, mend


def test_other_inputs_are_another_journal(tmp_path):
    paths = {
        journal_path(tmp_path, *parts) for parts in (("a", "b"), ("a", "c"), ("ab",), ("a", "b"))
    }
    assert len(paths) == 3
    assert all(path.parent.is_dir() for path in paths)


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"one\ntwo\n", b"one\ntwo\n"), (b"one\ntw", b"one\n"), (b"on", b""), (b"", b"")],
)
def test_only_an_unfinished_last_line_is_cut(tmp_path, before, after):
    journal = tmp_path / "journal.log"
    journal.write_bytes(before)
    mend(journal)
    assert journal.read_bytes() == after
    mend(tmp_path / "none.log")
