import io
import re

import pytest
from rich.progress import Progress as Bar

from pix2z.cli import display


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def pipe(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def lines_of(capsys):
    """Return what gives the lines in a pipe for calls of (seconds, arguments of the report)."""

    def of_calls(unit, calls):
        now = [0.0]
        with Bar(disable=True, get_time=lambda: now[0]) as bar:
            report = display.report_on(bar, unit)
            for now[0], arguments in calls:
                report(*arguments)
        return [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]

    return of_calls


GIGABYTE = 1_000_000_000


@pytest.mark.parametrize(
    ("unit", "calls", "expected"),
    [
        pytest.param(
            display.BYTES,
            # 20 GB of 23.6 are here, from before; then 30 MB each second.
            [
                (s, ("receiving", 20 * GIGABYTE + 30_000_000 * s, 236 * GIGABYTE // 10))
                for s in range(25)
            ],
            [
                "receiving: 20.30 of 23.60 GB, 30.0 MB/s, 110 s left",
                "receiving: 20.60 of 23.60 GB, 30.0 MB/s, 100 s left",
            ],
            id="bytes",
        ),
        pytest.param(
            display.BYTES,
            [(0, ("receiving", GIGABYTE, None)), (10, ("receiving", GIGABYTE, None))],
            ["receiving: 1.00 GB"],
            id="bytes of a total that is not known",
        ),
        pytest.param(
            display.FILES,
            [(s, ("frames", s, 1000, "3.0 MB received")) for s in range(0, 21, 2)],
            [
                "frames: 10 of 1,000 files, 3.0 MB received, 17 min left",
                "frames: 20 of 1,000 files, 3.0 MB received, 17 min left",
            ],
            id="files",
        ),
        pytest.param(
            display.GALAXIES,
            [
                (0, ("", 0, 5000)),
                (4, ("", 1000, 5000)),
                (8, ("", 2000, 5000)),
                (11, ("", 3000, 5000)),
            ],
            ["3,000 of 5,000 galaxies, 286 per s, 7 s left"],
            id="galaxies",
        ),
        pytest.param(
            display.GALAXIES,
            [
                (0, ("a", 800, 1000)),
                (9, ("a", 0, 1000)),
                (10, ("a", 10, 1000)),
                (20, ("a", 110, 1000)),
            ],
            ["a: 10 of 1,000 galaxies", "a: 110 of 1,000 galaxies, 10 per s, 89 s left"],
            id="a task that begins anew counts nothing of before into its rate",
        ),
    ],
)
def test_a_pipe_gets_a_line_every_ten_seconds_with_rate_and_time_left(
    lines_of, unit, calls, expected
):
    assert lines_of(unit, calls) == expected


def test_a_terminal_gets_a_bar_for_each_task(terminal, capsys):
    with display.progress(display.EPOCHS) as report:
        for seed in (1, 2):
            report(f"seed {seed}", 3, 5, "loss 1.0000")
    with display.galaxies_progress(3000) as advance:
        advance(3000)
    shown = capsys.readouterr().err
    for words in ("seed 1", "seed 2", "3 of 5 epochs at most, loss 1.0000", "3,000 of 3,000 gal"):
        assert words in shown


def test_a_pipe_gets_a_line_per_epoch(pipe, capsys):
    with display.progress(display.EPOCHS) as report:
        for seed, epoch in ((1, 1), (1, 2), (2, 1), (2, 2)):
            report(f"seed {seed}", epoch, 5, "loss 2.0000")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[3].split(" ", 1)[1].startswith("seed 2: 2 of 5 epochs at most, loss 2.0000")


def test_text_of_others_is_shown_without_markup_and_control_characters(pipe, capsys):
    display.console().print(display.plain("[red]a\x1b[0m\nb"))
    assert capsys.readouterr().out == "[red]a [0m b\n"


@pytest.fixture
def printed(monkeypatch):
    """Return what gives the lines that a terminal of some width, or a pipe (None), is shown."""

    def of(width, **options):
        out = io.StringIO()
        out.isatty = lambda: width is not None
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(width or 80))
        rows = [
            [f"pix2z-published_clipped/{n}", "champion", "0.01234", "2026-11-27 10:00", "", WHY]
            for n in (1, 22)
        ]
        display.print_table(
            COLUMNS, rows, right=("CRPS",), spare=("from", "when", "alias"), **options
        )
        return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()

    return of


COLUMNS = ("version", "alias", "CRPS", "when", "from", "why")
WHY = "it is sharper at redshifts above 0.2 than what we had before"


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_narrow_terminal_gets_fewer_columns_and_no_name_or_number_cut(printed, width):
    lines = printed(width, prose="why")
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for cell in ("pix2z-published_clipped/1 ", "pix2z-published_clipped/22 ", " 0.01234 "):
        assert cell in text
    assert sum(word in text for word in WHY.split()) == len(WHY.split())
    left_out = {60: "alias, when", 80: "when"}.get(width)
    words = f"Left out for want of width: {left_out} (--wide)."
    assert (lines[-1] == words) == (left_out is not None)
    assert ("2026-11-27 10:00" in text) == (left_out is None)
    assert "from" not in text  # it is empty in every row


@pytest.mark.parametrize(("width", "wide"), [(40, True), (None, False)])
def test_all_columns_are_printed_on_demand_and_in_a_pipe(printed, width, wide):
    heading, first, second = printed(width, prose="why", wide=wide)
    assert heading.split() == list(COLUMNS)
    assert first.rstrip().endswith(WHY)
    assert second.split()[:3] == ["pix2z-published_clipped/22", "champion", "0.01234"]


@pytest.mark.parametrize("width", [80, None])
def test_sentences_end_lines_of_a_terminal_between_words(monkeypatch, width):
    out = io.StringIO()
    out.isatty = lambda: width is not None
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("COLUMNS", str(width or 80))
    display.say_in_words(f"{WHY}; {WHY}; {WHY}.")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert " ".join(map(str.strip, lines)) == f"{WHY}; {WHY}; {WHY}."
    assert len(lines) == (3 if width else 1)
    assert max(map(len, lines)) <= (width or 200)


def test_a_page_in_a_pipe_has_no_spaces_at_line_ends(pipe, capsys):
    with display.page() as console:
        console.print(display.table("a", "b"))
    assert capsys.readouterr().out == "a  b\n"
