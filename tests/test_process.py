"""How a process ends, seen from outside: its exit code and what it leaves on its streams."""

import os
import shlex
import signal
import subprocess
import sys
import time
from math import hypot
from pathlib import Path

import pytest

from pix2z.errors import InputError, Pix2zError
from pix2z.process import beside, ended_by_signals

BEGIN = "import os, sys, time; from pathlib import Path; from pix2z.process import run\n"


def command(main: str) -> list[str]:
    return [sys.executable, "-c", f"{BEGIN}def main():\n    {main}\nrun(main)\n"]


def in_shell(main: str, rest: str, **environment: str) -> tuple[int, str, str]:
    """Run it with redirections as a shell makes them: exit code, stdout, stderr."""
    line = f"{shlex.join(command(main))} {rest}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        env=os.environ | {"PYTHONUNBUFFERED": ""} | environment,
        check=False,
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.mark.parametrize(
    ("main", "line"),
    [
        ("Path('there/not').read_text()", "there/not: No such file or directory"),
        ("os.read(99, 1)", "Bad file descriptor"),
        ("raise OSError('Unable to open\\n  the file')", "OSError: Unable to open the file"),
        ("b'\\xff'.decode()", "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in .*"),
    ],
)
def test_what_a_person_can_mend_is_one_line(main, line):
    code, out, err = in_shell(main.replace("\n", "\\n"), "")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(f"error: {line.removesuffix('.*')}")


def test_a_defect_keeps_its_stack_trace():
    code, _, err = in_shell("raise KeyError('specz')", "")
    assert code == 1
    assert "Traceback" in err


def test_a_full_stdout_is_one_line():
    full = "error: stdout: cannot be written (No space left on device)\n"
    assert in_shell("print('a table')", "> /dev/full") == (2, "", full)
    for main in ("print('a' * 100_000)", "print('a', flush=True)"):
        code, out, err = in_shell(main, "> /dev/full")
        assert (code, out) == (2, "")
        assert err in (full, "error: No space left on device\n")
    code, *said = in_shell("print('a')", "> /dev/full 2> /dev/full")
    assert code != 0
    assert said == ["", ""]


def test_a_reader_that_has_seen_enough_is_no_error():
    for unbuffered in ("", "1"):
        seen = in_shell(
            "[print('a' * 80) for _ in range(10_000)]", "| head -n 1", PYTHONUNBUFFERED=unbuffered
        )
        assert seen == (141, "a" * 80 + "\n", "")
    code, _, err = in_shell("raise BrokenPipeError(32, 'Broken pipe')", "| cat")
    assert (code, err) == (141, "error: Broken pipe\n")


def test_a_closed_stream_takes_no_file(tmp_path):
    """The number of a closed stdout would else be that of the next file that is opened."""
    path = tmp_path / "out.txt"
    main = (
        f"f = open({str(path)!r}, 'w'); print('words'); print('more', file=sys.stderr); f.close()"
    )
    out, err = "words\n", "more\n"
    assert in_shell(main, ">&-") == (0, "", err)
    assert in_shell(main, "2>&-") == (0, out, "")
    assert in_shell(main, "<&-") == (0, out, err)
    assert in_shell(main, "<&- >&- 2>&-") == (0, "", "")
    assert path.read_text() == ""


def test_any_text_can_be_said_in_any_terminal(tmp_path):
    for encoding in ("latin-1", "ascii", "utf-8"):
        code, out, err = in_shell("print('σ café \\udcff')", "", PYTHONIOENCODING=encoding)
        assert (code, err) == (0, "")
        assert out.endswith("\\udcff\n")
    assert in_shell("print('σ')", "", PYTHONIOENCODING="latin-1") == (0, "\\u03c3\n", "")


def test_a_deleted_folder_is_one_line(tmp_path):
    (tmp_path / "gone").mkdir()
    line = f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && {shlex.join(command('pass'))}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    said = "error: the current folder: No such file or directory; change into one that exists\n"
    assert (done.returncode, done.stderr) == (2, said)


WRITE_SLOWLY = """
    from pix2z.files import atomic_path
    with atomic_path("out.csv") as partial:
        partial.write_text("half")
        print("in the middle", flush=True)
        time.sleep(float(sys.argv[1]))
"""


def signalled(number, folder, seconds, *before) -> int:
    """Write slowly in a folder, and get a signal in the middle: exit code."""
    line = [*before, *command(WRITE_SLOWLY), seconds]
    process = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "in the middle\n"
    process.send_signal(number)
    process.communicate()
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_batch_system_or_a_closed_terminal_leaves_nothing_half_written(tmp_path, number):
    assert signalled(number, tmp_path, "60") == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_nohup_is_not_ended_by_a_closed_terminal(tmp_path):
    assert signalled(signal.SIGHUP, tmp_path, "0.5", "nohup") == 0
    assert (tmp_path / "out.csv").read_text() == "half"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_a_signal_ends_can_be_ended_as_by_ctrl_c(number):
    """A shell lets what it runs in the background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), ended_by_signals(as_ctrl_c=True):
        signal.raise_signal(number)
    assert signal.signal(signal.SIGINT, before) is signal.SIG_IGN


def test_a_notebook_does_not_choose_how_figures_are_drawn():
    """matplotlib refuses a backend that it does not know, whatever it shall draw."""
    drawn = in_shell(
        "import matplotlib.pyplot as plt; print(plt.get_backend())",
        "",
        MPLBACKEND="module://matplotlib_inline.nowhere",
    )
    assert drawn == (0, "agg\n", "")


NOBODY = """
    import pwd
    def unknown(uid): raise KeyError(uid)
    pwd.getpwuid = unknown
    os.environ.pop("HOME")
    import pix2z.process
    pix2z.process.run(find)

def find():
    import astropy.units
    print(Path.home().is_dir())
"""


def test_a_user_whom_the_system_does_not_know_has_a_home_all_the_same(tmp_path):
    """Astropy cannot be imported without one."""
    assert in_shell(NOBODY, "", TMPDIR=str(tmp_path)) == (0, "True\n", "")


def test_what_runs_beside_runs_in_another_process():
    with beside(os.getpid, processes=2) as other, beside(os.getpid, processes=1) as same:
        assert other() != os.getpid() == same()


def refuse(word: str) -> None:
    raise InputError(word)


@pytest.mark.parametrize("processes", [1, 2])
def test_beside_gives_the_result_or_the_error_of_the_function(processes):
    with beside(hypot, 3.0, 4.0, processes=processes) as distance:
        assert distance() == 5.0
    with (
        pytest.raises(InputError, match="no such thing"),
        beside(refuse, "no such thing", processes=processes) as refused,
    ):
        refused()


def test_a_block_that_fails_does_not_wait_for_the_function_beside():
    start = time.monotonic()
    with pytest.raises(InputError), beside(time.sleep, 60, processes=2):
        raise InputError("the block")
    assert time.monotonic() - start < 30


def test_ctrl_c_ends_what_runs_beside():
    """As a terminal sends it: to the whole group of processes."""
    main = (
        "from pix2z.process import beside\n"
        "    with beside(time.sleep, 60, processes=2) as slept:\n"
        "        print('begun', flush=True)\n"
        "        slept()"
    )
    started = subprocess.Popen(
        command(main),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout.readline() == "begun\n"
    time.sleep(2)
    os.killpg(started.pid, signal.SIGINT)
    _, err = started.communicate(timeout=30)  # until both have closed their streams
    assert started.returncode != 0
    assert err.count("KeyboardInterrupt") == 1


SLEEPS_BESIDE = (
    "import os\n"
    "    from pix2z.process import beside\n"
    "    with beside(os.getpid, processes=2) as other:\n"
    "        print(other(), flush=True)\n"
    "        time.sleep(60)"
)


def test_a_second_process_ends_with_one_that_was_killed():
    with subprocess.Popen(command(SLEEPS_BESIDE), stdout=subprocess.PIPE, text=True) as started:
        other = Path(f"/proc/{int(started.stdout.readline())}")
        assert other.exists()
        started.kill()
    end = time.monotonic() + 20
    while other.exists():
        assert time.monotonic() < end, "it outlived the process that started it"
        time.sleep(0.05)


def test_a_second_process_that_is_killed_is_one_line():
    with (
        pytest.raises(Pix2zError, match="a second process was killed"),
        beside(signal.raise_signal, signal.SIGKILL, processes=2) as killed,
    ):
        killed()
