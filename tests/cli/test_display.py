import io

import pytest
from rich.console import Console
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


def lines_of(unit, calls):
    """Return the lines for calls of (seconds since the first one, arguments of the report)."""
    written, now = [], [0.0]
    report = display.lines(unit, write=written.append, clock=lambda: now[0])
    for now[0], arguments in calls:
        report(*arguments)
    return written


@pytest.mark.parametrize(
    ("unit", "calls", "expected"),
    [
        pytest.param(
            display.BYTES,
            # 20 GB of 23.6 are here, from before; then 30 MB each second.
            [
                (s, ("receiving", 20_000_000_000 + 30_000_000 * s, 23_600_000_000))
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
            [(0, ("receiving", 500_000_000, None)), (10, ("receiving", 500_000_000, None))],
            ["receiving: 0.50 GB, 0.0 MB/s"],
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
            [(0, ("", 0, 5000)), (4, ("", 1000, 5000)), (11, ("", 2000, 5000))],
            ["2,000 of 5,000 galaxies, 182 per s, 17 s left"],
            id="galaxies",
        ),
    ],
)
def test_a_pipe_gets_a_line_every_ten_seconds_with_rate_and_time_left(unit, calls, expected):
    assert lines_of(unit, calls) == expected


def test_a_task_that_begins_anew_counts_nothing_of_before_into_its_rate():
    calls = [(0, ("a", 800, 1000)), (9, ("a", 0, 1000)), (20, ("a", 110, 1000))]
    assert lines_of(display.GALAXIES, calls) == ["a: 110 of 1,000 galaxies, 10 per s, 89 s left"]


def test_the_bar_counts_nothing_of_before_into_its_rate():
    now = [0.0]
    with Bar(console=Console(file=io.StringIO()), get_time=lambda: now[0]) as bar:
        report = display.on_bar(bar, display.BYTES)
        report("receiving", 500_000_000, 900_000_000)
        (task,) = bar.tasks
        assert (task.completed, task.speed) == (500_000_000, None)
        for now[0], done in ((1.0, 510_000_000), (2.0, 520_000_000), (3.0, 530_000_000)):
            report("receiving", done, 900_000_000)
        assert task.speed == pytest.approx(1e7)
        assert task.fields["said"].endswith("0.53 of 0.90 GB, 10.0 MB/s")
        report("receiving", 0, 900_000_000)
        assert (task.completed, task.speed) == (0, None)


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


def test_a_page_in_a_pipe_has_no_spaces_at_line_ends(pipe, capsys):
    with display.page() as console:
        console.print(display.table("a", "b"))
    assert capsys.readouterr().out == "a  b\n"
