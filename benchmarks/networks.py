"""Training and inference of each architecture and precision beside the machine's matrix rate."""

import time
from collections.abc import Callable
from functools import cache
from statistics import median
from typing import Any

import keras
import numpy as np
from keras import ops

from pix2z.config.networks import HybridConfig
from pix2z.network.architectures import build_published_cnn, softmax_model
from pix2z.redshift_pdf.grid import RedshiftGrid

PRECISIONS = ("float32", "mixed_bfloat16")
TRAINING_BATCH, INFERENCE_BATCH = 256, 1024
SECONDS = 3.0


def rate(work: Callable[[], Any], *, amount: float) -> float:
    """Median of amount per second over repeated calls, after two to warm up."""
    work()
    work()
    rates, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(rates) < 3:
        start = time.perf_counter()
        work()
        rates.append(amount / (time.perf_counter() - start))
    return median(rates)


def matrix_rate() -> float:
    """GFLOP/s of a 2048 x 2048 float32 matrix product in TensorFlow."""
    n = 2048
    matrix = ops.convert_to_tensor(np.random.default_rng(0).random((n, n), np.float32))
    return rate(lambda: np.asarray(ops.matmul(matrix, matrix)), amount=2e-9 * n**3)


def multiply_adds(model: keras.Model) -> float:
    """Multiply-adds of one image through the convolutions and dense layers."""
    total = 0.0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            total += np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])
        elif isinstance(layer, keras.layers.Dense):
            total += np.prod(layer.kernel.shape)
    return float(total)


def bench_networks() -> dict[str, Any]:
    """Images per second of training and inference, and the share of the matrix rate they reach."""
    gflops = matrix_rate()
    results: dict[str, Any] = {"matrix_rate_gflops": gflops}
    for precision in PRECISIONS:
        for name, model, targets in _models(precision):
            operations = 2e-9 * multiply_adds(model)
            training = rate(
                lambda m=model, t=targets: m.train_on_batch(_inputs(TRAINING_BATCH), t),
                amount=TRAINING_BATCH,
            )
            inference = rate(
                lambda m=model: m.predict_on_batch(_inputs(INFERENCE_BATCH)),
                amount=INFERENCE_BATCH,
            )
            results[f"{name} {precision}"] = {
                "multiply_adds_per_image": multiply_adds(model),
                "training_images_per_second": training,
                # backwards costs twice forwards
                "training_share_of_matrix_rate": 3 * operations * training / gflops,
                "inference_images_per_second": inference,
                "inference_share_of_matrix_rate": operations * inference / gflops,
            }
    return results


def _models(precision: str) -> list[tuple[str, keras.Model, np.ndarray]]:
    rng = np.random.default_rng(1)
    grid = RedshiftGrid(0.0, 0.4, 180)
    settings = HybridConfig.read().model_copy(update={"precision": precision})
    hybrid = softmax_model(settings, grid=grid)
    hybrid.compile("adamw", keras.losses.CategoricalCrossentropy(from_logits=True))
    shares = np.full((TRAINING_BATCH, grid.n_bins), 1 / grid.n_bins, np.float32)
    seed = build_published_cnn(z_low=0.0, z_high=0.4, precision=precision)
    seed.compile("adam", "mse")
    z = rng.uniform(0, 0.4, TRAINING_BATCH).astype(np.float32)
    bare = softmax_model(settings.model_copy(update={"trunk_filters": ()}), grid=grid)
    bare.compile("adamw", keras.losses.CategoricalCrossentropy(from_logits=True))
    return [
        ("hybrid", hybrid, shares),
        ("hybrid_no_trunk", bare, shares),
        ("published_cnn", seed, z),
    ]


@cache
def _inputs(n: int) -> dict[str, np.ndarray]:
    images = np.random.default_rng(2).normal(0.1, 0.1, (n, 32, 32, 5)).astype(np.float32)
    return {"images": images, "ebv": np.full(n, 0.03, np.float32)}
