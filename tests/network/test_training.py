from pathlib import Path

import numpy as np
import pytest

from pix2z.network.checkpoint import load_state, save_state
from pix2z.network.recipes import feature_moments, hybrid_recipe, published_recipe
from pix2z.network.training import DivergedError, StopTraining, TrainingState, cosine_rate, fit


@pytest.fixture
def hybrid_with(sample, sample_split, grid):
    """Return settings, seed -> recipe."""
    moments = feature_moments(sample, sample_split.train)

    def make(settings, *, seed=1):
        return hybrid_recipe(
            sample, sample_split, grid=grid, settings=settings, moments=moments, seed=seed
        )

    return make


def weights_of(recipe) -> list[np.ndarray]:
    return recipe.model.get_weights()


def killed_and_resumed(make, checkpoint: Path, *, after: int):
    """Train until the checkpoint of epoch `after` is written, then anew from the file."""

    class Killed(Exception):  # noqa: N818
        pass

    def on_epoch(state: TrainingState) -> None:
        save_state(checkpoint, state)
        if state.epoch == after:
            raise Killed

    with pytest.raises(Killed):
        fit(**vars(make()), on_epoch=on_epoch)
    recipe = make()
    state = fit(**vars(recipe), resume=load_state(checkpoint))
    return recipe, state


@pytest.fixture(params=["hybrid", "published_cnn"])
def make(request, sample, sample_split, hybrid_with, hybrid, published_cnn):
    if request.param == "hybrid":
        settings = hybrid.model_copy(update={"epochs": 3})
        return lambda: hybrid_with(settings, seed=5)
    return lambda: published_recipe(sample, sample_split, settings=published_cnn, seed=5)[0]


def test_a_killed_training_ends_in_the_same_weights(make, tmp_path):
    whole = make()
    fit(**vars(whole))
    resumed, _ = killed_and_resumed(make, tmp_path / "state.h5", after=1)
    for one, other in zip(weights_of(whole), weights_of(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_other_weights(hybrid_with, hybrid):
    settings = hybrid.model_copy(update={"epochs": 1})
    recipes = [hybrid_with(settings, seed=k) for k in (1, 2)]
    for recipe in recipes:
        fit(**vars(recipe))
    one, other = (weights_of(recipe)[-2] for recipe in recipes)
    assert not np.array_equal(one, other)


def test_training_learns_redshift(hybrid_with, hybrid):
    recipe = hybrid_with(hybrid)
    state = fit(**vars(recipe))
    losses = [record["val_loss"] for record in state.history]
    # A flat PDF over the 60 bins scores log(60) = 4.09.
    assert min(losses) < 3.5
    assert state.best_epoch == int(np.argmin(losses))


def test_early_stopping_keeps_the_best_weights(hybrid_with, hybrid):
    settings = hybrid.model_copy(update={"epochs": 10})
    recipe = hybrid_with(settings)
    planned = iter([5.0, 3.0, 4.0, 6.0, 7.0, 1.0])
    seen = {}

    def validation_loss(model):
        loss = next(planned)
        seen[loss] = [np.array(w) for w in model.get_weights()]
        return loss

    state = fit(
        **{**vars(recipe), "validation_loss": validation_loss, "patience": 3},
    )
    assert state.epoch == 5  # 3.0 is best, then three without better
    for kept, best in zip(recipe.model.get_weights(), seen[3.0], strict=True):
        np.testing.assert_array_equal(kept, best)


def test_a_callback_may_stop_the_training(hybrid_with, hybrid):
    recipe = hybrid_with(hybrid)

    def on_epoch(_state):
        raise StopTraining

    state = fit(**vars(recipe), on_epoch=on_epoch)
    assert len(state.history) <= 1


def test_a_state_of_another_model_is_refused(hybrid_with, hybrid):
    recipe = hybrid_with(hybrid)
    state = TrainingState(1, (np.zeros(3),), (np.zeros(3),), ())
    with pytest.raises(ValueError, match="another model"):
        fit(**vars(recipe), resume=state)


def test_the_cosine_falls_from_the_peak_to_a_hundredth():
    rate = cosine_rate(0.01, epochs=10)
    rates = [rate(epoch) for epoch in range(11)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.0001)
    assert all(a > b for a, b in zip(rates, rates[1:], strict=False))


def test_a_diverged_training_is_one_line_and_leaves_no_state(hybrid_with, hybrid):
    recipe = hybrid_with(hybrid)
    states = []
    with pytest.raises(DivergedError, match="diverged in epoch 1"):
        fit(**{**vars(recipe), "validation_loss": lambda _model: np.nan}, on_epoch=states.append)
    assert states == []
