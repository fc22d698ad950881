"""fit(): one training, resumable to the same weights. No paths, no tracking; callables go in.

Batch order is the caller's, a function of (seed, epoch); every seed generator of the model
(Dropout) is set from (seed, epoch) as an epoch begins; the optimizer's variables, the best weights
and the history are part of `TrainingState`. So epoch k + 1 depends on the state after epoch k
alone, and a killed training that resumes ends in the same weights as one that was never killed.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pix2z.dataset.batches import one_ahead
from pix2z.errors import Pix2zError
from pix2z.network.backend import keras

__all__ = ["DivergedError", "Recipe", "StopTraining", "TrainingState", "cosine_rate", "fit"]

CALL_BYTES = 10_000_000
"""About what is handed to TensorFlow at a time."""

Arrays = tuple[NDArray[Any], ...]
Batch = tuple[dict[str, NDArray[Any]], NDArray[Any]]
Record = dict[str, float]
Shape = tuple[int, ...]
Shapes = tuple[tuple[str, Shape], ...]


class StopTraining(Exception):  # noqa: N818 - a signal, not an error
    """Raised by a callback to end a training early; its best weights are kept."""


class DivergedError(Pix2zError):
    """The loss of a training is no longer finite."""


@dataclass(frozen=True)
class TrainingState:
    """Everything that epoch `epoch` (the next one) depends on."""

    epoch: int
    variables: Arrays
    """Model and optimizer variables."""
    best: Arrays
    """Model weights with the lowest validation loss so far."""
    history: tuple[Record, ...]
    """One record per finished epoch: loss, val_loss, learning_rate, seconds, cpu_seconds."""

    @property
    def best_epoch(self) -> int:
        """Index of the epoch with the lowest validation loss; -1 before the first."""
        losses = [record["val_loss"] for record in self.history]
        return int(np.argmin(losses)) if losses else -1

    def has_ended(self, *, epochs: int, patience: int) -> bool:
        """Tell whether a training of so many epochs, see `Recipe`, is over."""
        return self.epoch >= epochs or self.epoch - 1 - self.best_epoch >= max(patience, 1)


def cosine_rate(peak: float, *, epochs: int) -> Callable[[int], float]:
    """Half a cosine from `peak` down to 1 % of it (Loshchilov & Hutter 2017), one step an epoch."""
    return lambda epoch: peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * epoch / epochs)))


@dataclass(frozen=True)
class Recipe:
    """How a compiled model is trained."""

    model: keras.Model
    batches: Callable[[int], Iterator[Batch]]
    """Epoch -> training batches (inputs, targets) of that epoch."""
    validation_loss: Callable[[keras.Model], float]
    """Of the model as it stands; lower is better."""
    learning_rate: Callable[[int], float]
    """Epoch -> learning rate."""
    epochs: int
    patience: int
    """Epochs without a lower validation loss before the training ends."""
    seed: int


def fit(
    recipe: Recipe,
    *,
    resume: TrainingState | None = None,
    on_epoch: Callable[[TrainingState], None] = lambda state: None,
) -> TrainingState:
    """Train with early stopping; the model ends with its best weights.

    Parameters
    ----------
    resume : state to go on from.
    on_epoch : called with the state after every epoch; may raise StopTraining.
    """
    model = recipe.model
    model.optimizer.build(model.trainable_variables)
    state = resume or TrainingState(0, _variables(model), _weights(model), ())
    _assign(model, state.variables)
    try:
        while not state.has_ended(epochs=recipe.epochs, patience=recipe.patience):
            state = _one_epoch(recipe, state)
            on_epoch(state)
    except StopTraining:
        pass
    model.set_weights(list(state.best))
    return state


def _one_epoch(recipe: Recipe, state: TrainingState) -> TrainingState:
    start, cpu_start = time.perf_counter(), time.process_time()
    model, rate = recipe.model, recipe.learning_rate(state.epoch)
    model.optimizer.learning_rate.assign(rate)
    _reseed(model, recipe.seed, state.epoch)
    model.reset_metrics()
    full = None
    for inputs, targets in one_ahead(_stacked(recipe.batches(state.epoch))):
        size = targets.shape[1]
        full = full or size
        shapes = tuple((name, array.shape[2:]) for name, array in inputs.items())
        train = _trainer(model, size if size == full else None, shapes, targets.shape[2:])
        train(inputs, targets)
    record = {
        "loss": float(model.get_metrics_result()["loss"]),
        "val_loss": recipe.validation_loss(model),
        "learning_rate": rate,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,
    }
    if not (math.isfinite(record["loss"]) and math.isfinite(record["val_loss"])):
        raise DivergedError(
            f"training diverged in epoch {state.epoch + 1}: loss {record['loss']}, validation loss"
            f" {record['val_loss']}; expected finite values (a lower learning rate?)"
        )
    improved = all(record["val_loss"] < earlier["val_loss"] for earlier in state.history)
    return replace(
        state,
        epoch=state.epoch + 1,
        variables=_variables(model),
        best=_weights(model) if improved else state.best,
        history=(*state.history, record),
    )


@lru_cache(maxsize=2)
def _trainer(
    model: keras.Model, size: int | None, inputs: Shapes, targets: Shape
) -> Callable[[Any, Any], None]:
    """Return what trains a model with several batches of `_stacked`, one after the other.

    A step of a small network is some hundred operations of microseconds, beside which the way from
    Python to TensorFlow and back is long.

    Parameters
    ----------
    size : of a batch; None: any.
    inputs, targets : shapes of one galaxy's.
    """

    def several(shape: Shape) -> tf.TensorSpec:
        return tf.TensorSpec((None, size, *shape), tf.float32)

    signature = {name: several(shape) for name, shape in inputs}, several(targets)

    step = model.train_step
    if model.jit_compile:  # Keras says so where there is a GPU
        step = tf.function(step, jit_compile=True)

    def train(inputs: dict[str, Any], targets: Any) -> None:
        for place in tf.range(tf.shape(targets)[0]):
            batch = {name: values[place] for name, values in inputs.items()}
            step((batch, targets[place]))

    compiled: Callable[[Any, Any], None] = tf.function(train, input_signature=signature)
    return compiled


def _stacked(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield successive batches of one size together, (s, b, ...), in about `CALL_BYTES`."""
    several: list[Batch] = []
    n_bytes = 0
    for batch in batches:
        if several and (n_bytes > CALL_BYTES or len(batch[1]) != len(several[0][1])):
            yield _as_one(several)
            several, n_bytes = [], 0
        several.append(batch)
        n_bytes += sum(array.nbytes for array in (*batch[0].values(), batch[1]))
    if several:
        yield _as_one(several)


def _as_one(batches: list[Batch]) -> Batch:
    inputs = {name: np.stack([batch[0][name] for batch in batches]) for name in batches[0][0]}
    return inputs, np.stack([targets for _, targets in batches])


def _reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every seed generator of the model from (seed, epoch, its place in the model)."""
    generators = [
        layer.seed_generator for layer in model.layers if hasattr(layer, "seed_generator")
    ]
    for place, generator in enumerate(generators):
        words = np.random.SeedSequence([seed, epoch, place]).generate_state(2, np.uint32)
        generator.state.assign(words)


def _variables(model: keras.Model) -> Arrays:
    return tuple(
        keras.ops.convert_to_numpy(v).copy() for v in [*model.weights, *model.optimizer.variables]
    )


def _weights(model: keras.Model) -> Arrays:
    return tuple(np.copy(v) for v in model.get_weights())


def _assign(model: keras.Model, values: Arrays) -> None:
    targets = [*model.weights, *model.optimizer.variables]
    if [v.shape for v in targets] != [v.shape for v in values]:
        raise ValueError("the state to resume from belongs to another model")
    for variable, value in zip(targets, values, strict=True):
        variable.assign(value)
