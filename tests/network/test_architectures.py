from pathlib import Path

import keras
import numpy as np
import pytest

from pix2z.network.architectures import build_published_cnn, measuring_model, softmax_model
from tests.network.conftest import APERTURES, CATALOGUE, GRID, HYBRID


def hybrid() -> keras.Model:
    return softmax_model(HYBRID, grid=GRID)


def catalogue() -> keras.Model:
    return softmax_model(CATALOGUE, grid=GRID)


def published_cnn() -> keras.Model:
    return build_published_cnn(z_low=0.01, z_high=0.39, precision="mixed_bfloat16")


def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(0.1, 0.3, (4, 32, 32, 5)).astype(np.float32)
    images[0, :3] = np.nan
    images[1, ..., 4] = np.nan
    return {"images": images, "ebv": np.array([0.1, np.nan, 0, 0.2], np.float32)}


def test_the_published_cnn_has_the_published_parameters_and_speaks_redshift_within_its_range():
    model = published_cnn()
    assert model.count_params() == 421_725
    z_phot = model.predict_on_batch(inputs())  # of masked pixels and an absent band, too
    assert z_phot.shape == (4,)
    assert ((z_phot > 0.01) & (z_phot < 0.39)).all()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("build", [published_cnn, hybrid, catalogue])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_exported_model_predicts_the_same(build, suffix, tmp_path: Path):
    model = build()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    loaded = keras.models.load_model(path, compile=False)
    outputs = model.predict_on_batch(inputs())
    assert np.isfinite(outputs).all()
    np.testing.assert_array_equal(loaded.predict_on_batch(inputs()), outputs)


def test_without_ebv_the_hybrid_does_not_see_it():
    model = softmax_model(HYBRID.model_copy(update={"use_ebv": False}), grid=GRID)
    one, other = inputs(), inputs()
    other["ebv"] = np.array([0.5, 0.3, np.nan, 0.1], np.float32)
    np.testing.assert_array_equal(model.predict_on_batch(one), model.predict_on_batch(other))


def same_weights(model: keras.Model, other: keras.Model) -> keras.Model:
    other.set_weights(model.get_weights())
    return other


@pytest.mark.parametrize("settings", [HYBRID, APERTURES, CATALOGUE])
def test_a_network_of_measurements_is_the_network_of_images(settings):
    whole = softmax_model(settings, grid=GRID)
    trained = same_weights(whole, softmax_model(settings, grid=GRID, of_measurements=True))
    given = inputs()
    measured = measuring_model(settings).predict_on_batch({"images": given["images"]})
    found = trained.predict_on_batch({**measured, "ebv": given["ebv"]})
    np.testing.assert_allclose(found, whole.predict_on_batch(given), rtol=1e-5, atol=1e-5)


def test_a_catalogue_sees_five_magnitudes_and_nothing_outside_its_aperture():
    model = catalogue()
    one, other = inputs(), inputs()
    axis = np.arange(32) - 15.5
    outside = np.hypot(axis[:, None], axis) * 0.396 > CATALOGUE.aperture_arcsec + 0.3
    other["images"][:, outside] += 3.0
    np.testing.assert_array_equal(model.predict_on_batch(one), model.predict_on_batch(other))
    # five magnitudes, four colours, E(B-V)
    assert model.get_layer("standardise").mean.shape == (10,)
    other["images"][0, 16, 16] += 3.0
    assert (model.predict_on_batch(one)[0] != model.predict_on_batch(other)[0]).any()


def test_apertures_are_the_hybrid_without_its_trunk():
    bare = softmax_model(HYBRID.model_copy(update={"trunk_filters": ()}), grid=GRID)
    apertures = same_weights(bare, softmax_model(APERTURES, grid=GRID))
    np.testing.assert_array_equal(
        apertures.predict_on_batch(inputs()), bare.predict_on_batch(inputs())
    )
