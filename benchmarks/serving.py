"""``pix2z serve`` over HTTP: seconds to the first answer, one galaxy, and batches.

The server is MLflow's own, with one worker, behind it a pool of three networks of the default
settings; the same pool without a server stands beside it.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from pix2z.config.networks import HybridConfig
from pix2z.network.architectures import softmax_model
from pix2z.network.estimator import Estimator, Member, load_pool, save_member
from pix2z.network.pool import save_pool
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.tracking.packaging import save_model
from pix2z.tracking.serving import free_port, running

BATCHES = (256, 1024)
SEEDS = (1, 2, 3)
SINGLES, ROUNDS = 200, 5
HOST = "127.0.0.1"

Ask = Callable[[bytes], None]


def bench_serving() -> dict[str, Any]:
    """Return seconds to start, milliseconds of one galaxy, galaxies per second in batches."""
    images = np.random.default_rng(0).normal(0.1, 0.05, (max(BATCHES), 32, 32, 5))
    images = images.astype(np.float32)
    with TemporaryDirectory() as scratch:
        estimator = make_pool(Path(scratch) / "pool")
        model = Path(scratch) / "model"
        save_model(model, Path(scratch) / "pool")
        start = time.perf_counter()
        with served(model) as ask:
            ask(body_of(images[:1]))
            seconds = round(time.perf_counter() - start, 1)
            return {
                "seconds to the first answer": seconds,
                "one galaxy, ms": both(latency, estimator, ask, images[:1]),
                "galaxies per second": {
                    str(n): both(partial(rate, n), estimator, ask, images[:n]) for n in BATCHES
                },
            }


def both(
    measure: Callable[[Callable[[], Any]], Any], estimator: Estimator, ask: Ask, images: np.ndarray
) -> dict[str, Any]:
    """Measure the pool without a server, and the server."""
    body = body_of(images)
    return {
        "pool": measure(lambda: estimator.estimate(images)),
        "pix2z serve": measure(lambda: ask(body)),
    }


def make_pool(folder: Path) -> Estimator:
    """Save and load networks of the default settings, untrained: they cost what trained ones do."""
    settings, grid = HybridConfig.read("params.yaml"), RedshiftGrid(0.0, 0.4, 180)
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        member = Member(
            architecture="hybrid",
            model=softmax_model(settings, grid=grid),
            grid=grid,
            settings=settings.model_dump(mode="json"),
            record={"seed": seed},
            calibration=Temperature(1.0),
        )
        save_member(folder / f"seed-{seed}", member)
    save_pool(folder, [f"seed-{seed}" for seed in SEEDS], Temperature(1.1))
    return load_pool(folder)


@contextmanager
def served(model: Path) -> Iterator[Ask]:
    """Yield what sends a body over one open connection."""
    port = free_port(HOST, 0)
    with (
        running(model, host=HOST, port=port, workers=1),
        closing(HTTPConnection(HOST, port, timeout=120)) as connection,
    ):

        def post(body: bytes) -> None:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {content[:500]!r}")
            json.loads(content)

        def ask(body: bytes) -> None:
            try:
                post(body)
            except ConnectionError:  # uvicorn closes a connection that was idle for 5 s
                connection.close()
                post(body)

        yield ask


def body_of(images: np.ndarray) -> bytes:
    """Return a request for these galaxies."""
    text = base64.b64encode(images.astype("<f4").tobytes()).decode()
    return json.dumps({"inputs": {"images": text}}).encode()


def latency(work: Callable[[], Any]) -> dict[str, float]:
    """Return percentiles in milliseconds."""
    times = [1e3 * seconds_of(work) for _ in range(SINGLES)]
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}


def rate(n: int, work: Callable[[], Any]) -> int:
    """Return galaxies per second, the median of some rounds after one that does not count."""
    work()
    return round(n / median(seconds_of(work) for _ in range(ROUNDS)))


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
