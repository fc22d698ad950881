from pathlib import Path

import keras
import numpy as np
import pytest

from pix2z.network.architectures import PUBLISHED_CNN_PARAMETERS, build_hybrid, build_published_cnn


def hybrid_model() -> keras.Model:
    return build_hybrid(
        n_bins=20,
        use_ebv=True,
        trunk_filters=(4,),
        dense_units=(16,),
        dropout=0.1,
        precision="float32",
    )


def seed_model(precision: str = "float32") -> keras.Model:
    return build_published_cnn(z_low=0.01, z_high=0.39, precision=precision)


def inputs(n: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(0.1, 0.3, (n, 32, 32, 5)).astype(np.float32)
    images[0, :3] = np.nan
    images[1, ..., 4] = np.nan
    return {"images": images, "ebv": np.array([0.1, np.nan, 0, 0.2], np.float32)[:n]}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_published_cnn_has_the_published_parameters(precision):
    assert seed_model(precision).count_params() == PUBLISHED_CNN_PARAMETERS == 421_725


def test_the_published_cnn_speaks_redshift_within_its_range():
    z_phot = seed_model().predict_on_batch(inputs())
    assert z_phot.shape == (4,)
    assert ((z_phot > 0.01) & (z_phot < 0.39)).all()


@pytest.mark.parametrize("build", [seed_model, hybrid_model])
def test_masked_and_absent_input_gives_finite_output(build):
    assert np.isfinite(build().predict_on_batch(inputs())).all()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("build", [seed_model, hybrid_model])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_exported_model_predicts_the_same(build, suffix, tmp_path: Path):
    model = build()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    loaded = keras.models.load_model(path, compile=False)
    np.testing.assert_array_equal(
        loaded.predict_on_batch(inputs()), model.predict_on_batch(inputs())
    )


def test_without_ebv_the_hybrid_does_not_see_it():
    model = build_hybrid(
        n_bins=20,
        use_ebv=False,
        trunk_filters=(4,),
        dense_units=(16,),
        dropout=0.1,
        precision="float32",
    )
    one, other = inputs(), inputs()
    other["ebv"] = np.array([0.5, 0.3, np.nan, 0.1], np.float32)
    np.testing.assert_array_equal(model.predict_on_batch(one), model.predict_on_batch(other))
