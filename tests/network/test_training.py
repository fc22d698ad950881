"""`fit`, with a model that has all that a state must hold: dropout, an optimizer with memory."""

import keras
import numpy as np
import pytest

from pix2z.network import training
from pix2z.network.checkpoint import load_state, save_state
from pix2z.network.training import (
    DivergedError,
    Recipe,
    StopTraining,
    TrainingState,
    cosine_rate,
    fit,
)

X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def recipe(**changes) -> Recipe:
    keras.utils.set_random_seed(5)
    inputs = keras.Input((3,), name="x")
    x = keras.layers.Dense(8, activation="relu", name="hidden")(inputs)
    x = keras.layers.Dropout(0.3, name="dropout")(x)
    model = keras.Model({"x": inputs}, keras.layers.Dense(1, name="out")(x))
    model.compile("adamw", "mse")

    def batches(epoch):
        order = np.random.default_rng(epoch).permutation(len(X))
        return (({"x": X[rows]}, Y[rows]) for rows in np.array_split(order, 4))

    values = {
        "model": model,
        "batches": batches,
        "validation_loss": lambda model: float(
            np.mean((model.predict_on_batch({"x": X}) - Y) ** 2)
        ),
        "learning_rate": cosine_rate(0.05, epochs=4),
        "epochs": 4,
        "patience": 4,
        "seed": 5,
    }
    return Recipe(**(values | changes))


def test_a_killed_training_ends_in_the_same_weights(tmp_path):
    class Killed(Exception):  # noqa: N818
        pass

    def on_epoch(state: TrainingState) -> None:
        save_state(tmp_path / "state.h5", state)
        if state.epoch == 2:
            raise Killed

    whole, resumed = recipe(), recipe()
    history = fit(whole).history
    assert history[-1]["val_loss"] < 0.7 * history[0]["val_loss"]
    with pytest.raises(Killed):
        fit(recipe(), on_epoch=on_epoch)
    fit(resumed, resume=load_state(tmp_path / "state.h5"))
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_in_one_call_train_as_one_by_one(monkeypatch):
    """In two calls of several and one of the last, which is short."""
    monkeypatch.setattr(training, "CALL_BYTES", 400)

    def batches(epoch):
        order = np.random.default_rng(epoch).permutation(len(X))
        return (({"x": X[order[i : i + 12]]}, Y[order[i : i + 12]]) for i in range(0, len(X), 12))

    rate = 0.05
    together, alone = (
        recipe(batches=batches, learning_rate=lambda _: rate, epochs=2) for _ in range(2)
    )
    history = fit(together).history
    model, losses = alone.model, []
    model.optimizer.learning_rate.assign(rate)
    for epoch in range(2):
        training._reseed(model, alone.seed, epoch)
        of_batches = [
            model.train_on_batch(inputs, targets) * len(targets)
            for inputs, targets in batches(epoch)
        ]
        losses.append(sum(of_batches) / len(X))
    for one, other in zip(together.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose([record["loss"] for record in history], losses, rtol=1e-6)


def test_early_stopping_keeps_the_best_weights():
    planned, seen = iter([5.0, 3.0, 4.0, 6.0, 7.0, 1.0]), {}

    def validation_loss(model):
        loss = next(planned)
        seen[loss] = model.get_weights()
        return loss

    stopped = recipe(validation_loss=validation_loss, epochs=10, patience=3)
    state = fit(stopped)
    assert (state.epoch, state.best_epoch) == (5, 1)  # 3.0 is best, then three without better
    for kept, best in zip(stopped.model.get_weights(), seen[3.0], strict=True):
        np.testing.assert_array_equal(kept, best)


def test_a_callback_may_stop_the_training():
    def on_epoch(_state):
        raise StopTraining

    assert fit(recipe(), on_epoch=on_epoch).epoch == 1


def test_a_state_of_another_model_is_refused():
    state = TrainingState(1, (np.zeros(3),), (np.zeros(3),), ())
    with pytest.raises(ValueError, match="another model"):
        fit(recipe(), resume=state)


def test_the_cosine_falls_from_the_peak_to_a_hundredth():
    rate = cosine_rate(0.01, epochs=10)
    rates = [rate(epoch) for epoch in range(11)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.0001)
    assert all(a > b for a, b in zip(rates, rates[1:], strict=False))


def test_a_diverged_training_is_one_line_and_leaves_no_state():
    states = []
    with pytest.raises(DivergedError, match="diverged in epoch 1"):
        fit(recipe(validation_loss=lambda _model: np.nan), on_epoch=states.append)
    assert states == []
