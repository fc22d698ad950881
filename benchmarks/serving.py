"""The served model over HTTP beside the same networks without a server, in one run.

Rates on a shared machine drift, so each round measures everything once, one after the other;
medians over rounds are kept, and shares of the model's own rate in the same round. CPU time is that
of the server's process, all threads, and depends less on what else the machine does.
"""

import base64
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import keras
import numpy as np
from mlflow.models import Model
from mlflow.pyfunc.scoring_server import get_cmd

from pix2z.config.networks import HybridConfig
from pix2z.files import read_json
from pix2z.network.estimator import Estimator, Member, load_pool, save_member, save_pool
from pix2z.network.recipes import hybrid_model
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.tracking.packaging import ModelRecord, save_model
from pix2z.tracking.serving.server import listening, running

BATCHES = (1, 16, 256, 1024)
MOST_AS_LISTS = 256
"""A larger batch as lists takes seconds and says nothing new."""
SEEDS = (1, 2, 3)
ROUNDS, SINGLES, CLIENTS, EACH = 5, 200, 64, 5
MODEL = "model itself"

Ask = Callable[[bytes], list[dict[str, Any]]]


@dataclass(frozen=True)
class Served:
    """A running server."""

    address: str
    pid: int
    ask: Ask
    """Sends a body over one open connection and returns the rows."""


def bench_serving() -> dict[str, Any]:
    """Measure `pix2z serve` and `mlflow models serve`, a worker each, for both forms of images."""
    images = np.random.default_rng(0).normal(0.1, 0.05, (max(BATCHES), 32, 32, 5))
    images = images.astype(np.float32)
    with TemporaryDirectory() as scratch, ExitStack() as stack:
        estimator = _pool(Path(scratch) / "pool")
        model = _saved(Path(scratch))
        servers = {
            "pix2z serve": stack.enter_context(_own(model)),
            "mlflow models serve": stack.enter_context(_plain(model)),
        }
        found: dict[str, Any] = {MODEL: _batches_of_model(estimator, images)}
        for name, server in servers.items():
            logging.info("%s: batches", name)
            found[name] = {"batches": _batches(estimator, server, images)}
            logging.info("%s: one galaxy", name)
            found[name]["one galaxy"] = _singles(estimator, server, images)
            logging.info("%s: %d clients", name, CLIENTS)
            found[name][f"{CLIENTS} clients"] = _clients(estimator, server, images)
        return found


def _pool(folder: Path) -> Estimator:
    """Three networks of the default settings, untrained: they cost what trained ones do."""
    settings, grid = HybridConfig.read("params.yaml"), RedshiftGrid(0.0, 0.4, 180)
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        member = Member(
            architecture="hybrid",
            model=hybrid_model(settings, grid=grid),
            grid=grid,
            settings=settings.model_dump(mode="json"),
            record={"seed": seed},
            calibration=Temperature(1.0),
        )
        save_member(folder / f"seed-{seed}", member)
    save_pool(folder, [f"seed-{seed}" for seed in SEEDS], Temperature(1.1))
    return load_pool(folder)


def _saved(scratch: Path) -> Path:
    pool = read_json(scratch / "pool/pool.json")
    record = ModelRecord(
        name="pix2z-benchmark",
        model_description="",
        folder=scratch / "pool",
        members=tuple(pool["members"]),
        digest=pool["digest"],
        run_id="",
        card="",
        tags={},
    )
    save_model(scratch / "model", record, Model())
    return scratch / "model"


@contextmanager
def _own(model: Path) -> Iterator[Served]:
    with (
        listening("127.0.0.1", 0) as opened,
        running(model, opened, workers=1) as server,
        _connection(server.address) as ask,
    ):
        yield Served(server.address, server.workers[0].pid, ask)


@contextmanager
def _plain(model: Path) -> Iterator[Served]:
    """Run what `mlflow models serve --env-manager local` runs."""
    with listening("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    command, environment = get_cmd(str(model), port=port, host="127.0.0.1", nworkers=1)
    arguments = [sys.executable, "-m", *command.split()]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(arguments, env=environment, **quiet) as process:
        try:
            _wait(port)
            address = f"http://127.0.0.1:{port}/invocations"
            with _connection(address) as ask:
                yield Served(address, process.pid, ask)
        finally:
            process.terminate()


def _wait(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(OSError), closing(HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("GET", "/ping")
            connection.getresponse()
            return
        time.sleep(0.2)
    raise TimeoutError(f"nothing answers on port {port}")


@contextmanager
def _connection(address: str) -> Iterator[Ask]:
    parts = urlsplit(address)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=120)) as opened:

        def response_to(body: bytes) -> HTTPResponse:
            opened.request("POST", parts.path, body, {"Content-Type": "application/json"})
            return opened.getresponse()

        def ask(body: bytes) -> list[dict[str, Any]]:
            try:
                response = response_to(body)
            except ConnectionError:  # uvicorn closes a connection that was idle for 5 s
                opened.close()
                response = response_to(body)
            content = json.loads(response.read())
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {content}")
            rows: list[dict[str, Any]] = content["predictions"]
            return rows

        yield ask


def _bodies(images: np.ndarray) -> dict[str, bytes]:
    """Return one request in each form, by its name."""
    text = base64.b64encode(images.astype("<f4").tobytes()).decode()
    forms: dict[str, Any] = {
        "base64": {"images": text},
        "base64 with PDFs": {"images": text, "pdf": True},
    }
    if len(images) <= MOST_AS_LISTS:
        forms["lists"] = {"images": images.tolist()}
    return {name: json.dumps({"inputs": inputs}).encode() for name, inputs in forms.items()}


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _batches_of_model(estimator: Estimator, images: np.ndarray) -> dict[str, Any]:
    """Galaxies per second and CPU time of the estimator that `pix2z predict` uses."""
    found = {}
    for n in BATCHES:
        estimator.estimate(images[:n])
        repeats = max(3, 256 // n)
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            estimator.estimate(images[:n])
        found[str(n)] = {
            "galaxies_per_s": round(n * repeats / (time.perf_counter() - start)),
            "cpu_ms_per_galaxy": round(1e3 * (time.process_time() - cpu) / (n * repeats), 3),
        }
    return found


def _batches(estimator: Estimator, server: Served, images: np.ndarray) -> dict[str, Any]:
    """Galaxies per second by form and batch, as a share of the model's rate at 1024, and CPU."""
    most = max(BATCHES)
    works: dict[tuple[str, int], Callable[[], Any]] = {}
    for n in BATCHES:
        for form, body in _bodies(images[:n]).items():
            works[form, n] = lambda body=body, repeats=_galaxies(n) // n: [  # noqa: B008
                server.ask(body) for _ in range(repeats)
            ]
    for work in (*works.values(), lambda: estimator.estimate(images)):
        work()
    rates: dict[tuple[str, int], list[float]] = {key: [] for key in works}
    shares: dict[tuple[str, int], list[float]] = {key: [] for key in works}
    cpu = dict.fromkeys(works, 0.0)
    for _ in range(ROUNDS):
        own = most / _seconds(lambda: estimator.estimate(images))
        for key, work in works.items():
            before = _cpu_seconds(server.pid)
            rates[key].append(_galaxies(key[1]) / _seconds(work))
            shares[key].append(rates[key][-1] / own)
            cpu[key] += _cpu_seconds(server.pid) - before
    found: dict[str, Any] = {}
    for form, n in works:
        key = (form, n)
        found.setdefault(form, {})[str(n)] = {
            "galaxies_per_s": round(median(rates[key])),
            "share_of_model": round(median(shares[key]), 3),
            "cpu_ms_per_galaxy": round(1e3 * cpu[key] / (ROUNDS * _galaxies(n)), 3),
        }
    return found


def _galaxies(n: int) -> int:
    """Galaxies that one work of `_batches` asks for, in requests of n."""
    return n * max(1, 64 // n)


def _singles(estimator: Estimator, server: Served, images: np.ndarray) -> dict[str, Any]:
    """Milliseconds of one galaxy after the other, p50 and p99, beside the estimator's."""
    works: dict[str, Callable[[], Any]] = {MODEL: lambda: estimator.estimate(images[:1])}
    for form, body in _bodies(images[:1]).items():
        works[form] = lambda body=body: server.ask(body)
    times: dict[str, list[float]] = {form: [] for form in works}
    for _ in range(SINGLES):
        for form, work in works.items():
            times[form].append(1e3 * _seconds(work))
    return {form: _latency(values) for form, values in times.items()}


def _latency(milliseconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


def _clients(estimator: Estimator, server: Served, images: np.ndarray) -> dict[str, Any]:
    """Galaxies of many clients at once, a connection and a galaxy each, again and again."""
    expected = [estimator.estimate(images[i : i + 1]).z_median[0] for i in range(CLIENTS)]
    requests = [_bodies(images[i : i + 1])["base64"] for i in range(CLIENTS)]

    def client(i: int) -> list[tuple[float, float]]:
        with _connection(server.address) as ask:
            answers = []
            for _ in range(EACH):
                start = time.perf_counter()
                z = ask(requests[i])[0]["z_median"]
                answers.append((z, 1e3 * (time.perf_counter() - start)))
            return answers

    start, before = time.perf_counter(), _cpu_seconds(server.pid)
    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = list(threads.map(client, range(CLIENTS)))
    seconds, cpu = time.perf_counter() - start, _cpu_seconds(server.pid) - before
    pairs = [(known, z) for known, some in zip(expected, answers, strict=True) for z, _ in some]
    return {
        "galaxies_per_s": round(CLIENTS * EACH / seconds),
        "cpu_ms_per_galaxy": round(1e3 * cpu / (CLIENTS * EACH), 3),
        **_latency([ms for some in answers for _, ms in some]),
        "asked": CLIENTS * EACH,
        "answered_right": sum(bool(abs(z - known) < 1e-6) for known, z in pairs),
    }
