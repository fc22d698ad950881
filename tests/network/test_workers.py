"""Processes side by side: the same weights, errors, and no process left behind."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from logging.handlers import QueueHandler
from multiprocessing import active_children
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from pix2z.errors import InputError, Pix2zError
from pix2z.network import workers
from pix2z.network.arm import train_arms
from pix2z.network.workers import processes_for, side_by_side
from pix2z.redshift_pdf.predictions import PART_FILES
from tests.network.conftest import HYBRID, PUBLISHED_CNN, pool_training

ROOT = Path(__file__).parents[2]


def dying_curve(seed: int, *, folder: Path):
    """Append a line per epoch to a file of the seed; kill the training once. It is picklable."""

    def write(epoch: int, record: dict[str, float]) -> None:
        with (folder / f"curve-{seed}").open("a") as file:
            file.write(f"{epoch}\n")
        if (seed, epoch) == (2, 1) and not (folder / "killed").exists():
            (folder / "killed").touch()
            raise KeyboardInterrupt

    return write


def refuse(number: int) -> int:
    if number == 1:
        raise InputError(f"array {number}: not what was expected")
    time.sleep(60)
    return number


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_logging(number: int) -> None:
    """Hold what only one process holds at a time, as one does that is killed while it writes."""
    if number == 1:
        (handler,) = [h for h in logging.getLogger().handlers if isinstance(h, QueueHandler)]
        handler.queue._wlock.acquire()
        die(0)


def threads(_: int) -> list[int]:
    """Return threads of numpy's BLAS; numpy was not loaded when the process began."""
    import numpy  # noqa: F401

    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return [library["num_threads"] for library in blas]


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
    monkeypatch.setattr(workers, "cores", lambda: 2)
    monkeypatch.setattr(workers, "GPU_DRIVER", Path("/nowhere"))
    assert processes_for(n_tasks, processes) == expected


def test_there_are_no_more_processes_than_memory_holds(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 64)
    monkeypatch.setattr(workers, "GPU_DRIVER", Path("/nowhere"))
    pages = {"SC_PHYS_PAGES": 4_000_000, "SC_PAGE_SIZE": 4096}  # 16 GB
    monkeypatch.setattr(workers.os, "sysconf", pages.get)
    assert processes_for(27, None) == 12
    assert processes_for(27, 20) == 20


@pytest.mark.parametrize(
    ("libraries", "hidden", "expected"), [(True, False, 1), (True, True, 2), (False, False, 2)]
)
def test_one_process_trains_beside_a_gpu_that_tensorflow_can_use(
    libraries, hidden, expected, monkeypatch, tmp_path
):
    monkeypatch.setattr(workers, "cores", lambda: 2)
    monkeypatch.setattr(workers, "GPU_DRIVER", tmp_path)
    monkeypatch.setattr(workers, "find_library", lambda _: None)
    monkeypatch.setattr(workers.sys, "path", [str(tmp_path)])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1" if hidden else "0")
    if libraries:
        (tmp_path / "nvidia/cudnn").mkdir(parents=True)
    assert processes_for(8, None) == expected
    assert processes_for(8, 3) == 3


def test_a_killed_arm_ends_in_the_same_weights_and_predictions_whatever_the_processes(
    trained_pool, sample, sample_split, tmp_path
):
    """Killed in the second seed: the first is not trained again, the second goes on elsewhere."""
    from pix2z.network.estimator import load_pool  # TensorFlow: not in every process of this file
    from pix2z.network.predictions import write_pool_predictions

    curve = partial(dying_curve, folder=tmp_path)
    training = pool_training(sample, sample_split, tmp_path, curve=curve)
    with pytest.raises(KeyboardInterrupt):
        train_arms([(training, (1, 2))])
    train_arms([(training, (1, 2))], processes=2, predict=(tmp_path / "predictions", sample_split))
    write_pool_predictions(tmp_path / "here", load_pool(trained_pool), sample, sample_split)
    every = "".join(f"{epoch}\n" for epoch in range(HYBRID.epochs))
    assert [(tmp_path / f"curve-{seed}").read_text() for seed in (1, 2)] == [every, every]
    pairs = [(trained_pool, training.models, "seed-1/weights.weights.h5")]
    pairs += [
        (trained_pool, training.models, name)
        for name in ("seed-2/weights.weights.h5", "pool.json", "pool.onnx")
    ]
    names = (*PART_FILES.values(), "seed-1.hdf5", "predictions.json")
    pairs += [(tmp_path / "here", tmp_path / "predictions/full", name) for name in names]
    for one, other, name in pairs:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name

    # Where models/ is lost, or another arm was changed, what has been trained is not trained again.
    shutil.rmtree(training.models)
    train_arms([(replace(training, curve=refused), (1, 2))])
    assert (training.models / "pool.json").read_bytes() == (trained_pool / "pool.json").read_bytes()


def test_a_network_has_the_weights_of_one_trained_alone(
    trained_pool, sample, sample_split, tmp_path
):
    """In the pool the second seed was trained after the first, in the same traced model."""
    from pix2z.network import member

    member._model_of.cache_clear()
    training = pool_training(sample, sample_split, tmp_path)
    member.train_member(training, 2)
    weights = "seed-2/weights.weights.h5"
    assert (training.models / weights).read_bytes() == (trained_pool / weights).read_bytes()


def refused(seed):
    raise AssertionError(f"seed {seed} is trained again")


def test_a_killed_training_of_the_published_network_ends_in_the_same_weights(
    trained_published, sample, sample_split, tmp_path
):
    def killed(_seed):
        def on_epoch(_epoch, _losses):
            raise KeyboardInterrupt

        return on_epoch

    training = partial(pool_training, sample, sample_split, tmp_path, settings=PUBLISHED_CNN)
    with pytest.raises(KeyboardInterrupt):
        train_arms([(training(curve=killed), (1,))])
    train_arms([(training(), (1,))])
    weights = "seed-1/weights.weights.h5"
    assert (training().models / weights).read_bytes() == (trained_published / weights).read_bytes()


def test_an_error_of_one_process_ends_them_all(tmp_path):
    start = time.monotonic()
    with (
        pytest.raises(InputError, match="array 1: not what was expected"),
        side_by_side(2) as run,
    ):
        list(run(refuse, [1, 2]))
    assert time.monotonic() - start < 30
    assert active_children() == []


@pytest.mark.parametrize("deadly", [die, die_while_logging])
def test_a_killed_process_is_one_line(deadly, monkeypatch):
    monkeypatch.setattr(workers, "LAST_LINES_SECONDS", 0.5)
    with pytest.raises(Pix2zError, match="was killed") as caught, side_by_side(2) as run:
        list(run(deadly, [1, 2]))
    assert "\n" not in str(caught.value)
    assert active_children() == []


def test_results_and_log_come_home_in_order(caplog):
    with caplog.at_level(logging.INFO), side_by_side(2) as run:
        assert os.getpid() not in list(run(say, [1, 2, 3]))
    assert sorted(caplog.messages) == ["number 1", "number 2", "number 3"]


@pytest.mark.parametrize("processes", [1, 2])
def test_each_computes_with_one_thread(processes, monkeypatch):
    for name in workers.ONE_THREAD:
        monkeypatch.setenv(name, "2")
    with side_by_side(processes) as run:
        (found,) = run(threads, [1])
    assert set(found) == {1}
    if processes == 1:
        assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"


@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(deadly, tmp_path):
    """Ctrl-C or kill -9 of the parent, while two processes work for a minute."""
    program = (
        "import signal, sys\n"
        "from tests.network.test_workers import working\n"
        "from pix2z.network.workers import side_by_side\n"
        "if __name__ == '__main__':\n"
        # A shell starts what it puts in the background, such as these tests, deaf to Ctrl-C.
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
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
