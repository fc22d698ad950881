"""Processes side by side: the same weights, errors, and no process left behind."""

import logging
import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import pytest

from pix2z.errors import InputError, Pix2zError
from pix2z.network import workers
from pix2z.network.arm import train_arm
from pix2z.network.workers import processes_for, side_by_side
from pix2z.redshift_pdf.predictions import PART_FILES

ROOT = Path(__file__).parents[2]


def written_curve(seed: int, *, folder: Path):
    """Append a line per epoch to a file of the seed; picklable, as live curves are."""

    def write(epoch: int, record: dict[str, float]) -> None:
        with (folder / f"curve-{seed}").open("a") as file:
            file.write(f"{epoch} {record['val_loss']}\n")

    return write


def refuse(number: int) -> int:
    if number == 1:
        raise InputError(f"array {number}: not what was expected")
    time.sleep(60)
    return number


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def say(number: int) -> int:
    logging.getLogger("pix2z.said").info("number %d", number)
    return os.getpid()


@pytest.mark.parametrize(
    ("n_tasks", "processes", "expected"),
    [(3, None, 2), (1, None, 1), (0, None, 1), (3, 4, 3), (3, 1, 1), (2, 9, 2)],
)
def test_there_are_no_more_processes_than_cores_or_trainings(
    n_tasks, processes, expected, monkeypatch
):
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(workers, "GPU_DRIVER", Path("/nowhere"))
    assert processes_for(n_tasks, processes) == expected


def test_beside_a_gpu_one_process_trains(monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "GPU_DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert processes_for(8, None) == 1
    assert processes_for(8, 3) == 3


def test_weights_and_predictions_do_not_depend_on_the_number_of_processes(
    sample, sample_split, hybrid, grid, tmp_path
):
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        train_arm(
            sample,
            sample_split,
            architecture="hybrid",
            settings=hybrid.model_copy(update={"epochs": 2}),
            seeds=(1, 2),
            grid=grid,
            models=folder / "models",
            checkpoints=folder / "checkpoints",
            record={"arm": "full"},
            curve=partial(written_curve, folder=folder),
            processes=processes,
            predict=(folder / "predictions", sample_split),
        )
    kept = [f"models/seed-{k}/weights.weights.h5" for k in (1, 2)]
    kept += ["models/pool.json", "curve-1", "curve-2", "predictions/predictions.json"]
    kept += [f"predictions/{name}" for name in (*PART_FILES.values(), "seed-1.hdf5")]
    for name in kept:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    assert len((tmp_path / "2/curve-1").read_text().splitlines()) == 2


def test_an_error_of_one_process_ends_them_all(tmp_path):
    start = time.monotonic()
    with (
        pytest.raises(InputError, match="array 1: not what was expected"),
        side_by_side(2) as run,
    ):
        list(run(refuse, [1, 2]))
    assert time.monotonic() - start < 30
    assert active_children() == []


def test_a_killed_process_is_one_line():
    with pytest.raises(Pix2zError, match="was killed") as caught, side_by_side(2) as run:
        list(run(die, [1, 2]))
    assert "\n" not in str(caught.value)
    assert active_children() == []


def test_results_and_log_come_home_in_order(caplog):
    with caplog.at_level(logging.INFO), side_by_side(2) as run:
        assert os.getpid() not in list(run(say, [1, 2, 3]))
    assert sorted(caplog.messages) == ["number 1", "number 2", "number 3"]


@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(deadly, tmp_path):
    """Ctrl-C or kill -9 of the parent, while two processes work for a minute."""
    program = (
        "import sys\n"
        "from tests.network.test_workers import working\n"
        "from pix2z.network.workers import side_by_side\n"
        "if __name__ == '__main__':\n"
        "    with side_by_side(2) as run:\n"
        "        list(run(working, [sys.argv[1]] * 2))\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=environment, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 60
    while len(list(tmp_path.glob("pid-*"))) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    parent.send_signal(deadly)
    parent.communicate(timeout=30)
    pids = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)


def working(folder: str) -> None:
    (Path(folder) / f"pid-{os.getpid()}").touch()
    time.sleep(60)
