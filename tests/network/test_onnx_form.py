"""The ONNX form of a pool says what its Keras networks say: Keras is the oracle."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from pix2z.config.networks import HybridConfig
from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry
from pix2z.errors import IntegrityError
from pix2z.network.architectures import softmax_model
from pix2z.network.estimator import Member, load_pool, save_member
from pix2z.network.onnx_form import write_onnx_form
from pix2z.network.pool import save_pool
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.density import mix
from tests.conftest import artificial_stamps
from tests.network.conftest import APERTURES, CATALOGUE, GRID, HYBRID

SETTINGS = {
    "hybrid": HYBRID,
    "hybrid of three convolutions": HYBRID.model_copy(update={"trunk_filters": (4, 6, 8)}),
    "hybrid of five convolutions": HYBRID.model_copy(update={"trunk_filters": (4,) * 5}),
    "hybrid without a trunk": HYBRID.model_copy(update={"trunk_filters": ()}),
    "hybrid that forgets E(B-V)": HYBRID.model_copy(update={"use_ebv": False}),
    "apertures": APERTURES,
    "catalogue": CATALOGUE,
    "catalogue of an aperture of its own": CATALOGUE.model_copy(update={"aperture_arcsec": 2.0}),
}


def untrained_pool(folder, settings, seeds=(1, 2)):
    """Save a pool of networks as they are before a training, but with moments of features."""
    rng = np.random.default_rng(0)
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = softmax_model(settings, grid=GRID)
        standardise = model.get_layer("standardise")
        mean, sd = standardise.get_weights()
        standardise.set_weights([rng.normal(size=mean.shape), rng.uniform(0.5, 2, sd.shape)])
        model.get_layer("logits").set_weights(
            [rng.normal(size=w.shape) for w in model.get_layer("logits").get_weights()]
        )
        member = Member(
            architecture=settings.key,
            model=model,
            grid=GRID,
            settings=settings.model_dump(mode="json"),
            record={"seed": seed},
            calibration=Temperature(1.0),
        )
        save_member(folder / f"seed-{seed}", member)
    save_pool(folder, [f"seed-{seed}" for seed in seeds], Temperature(1.1))
    return load_pool(folder)


@pytest.fixture(scope="module")
def stamps():
    """60 stamps and E(B-V); of every kind of hole one, or a few."""
    rng = np.random.default_rng(1)
    images = artificial_stamps(rng.uniform(0.02, 0.35, 60), seed=2)
    ebv = rng.uniform(0.0, 0.3, 60).astype(np.float32)
    images[0, ..., 1] = np.nan
    images[1, :12] = np.nan
    images[2, 10:22, 3:9, 2] = np.nan
    images[3] = np.nan
    images[4, :, :, 1:] = np.nan
    images[5, :5, ..., 0] = images[5, -5:, ..., 0] = np.nan
    images[6, rng.random((32, 32, 5)) < 0.4] = np.nan
    ebv[[7, 8]] = np.nan
    images[9], images[10] = 1e10, -1e10
    return images, ebv


def answers(path, images, ebv):
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images, "ebv": ebv}), strict=True))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_pool_of_every_architecture_says_what_keras_says(name, stamps, tmp_path):
    pool = untrained_pool(tmp_path, SETTINGS[name])
    expected = mix([member.raw(*stamps) for member in pool.members])
    found = answers(tmp_path / "pool.onnx", *stamps)["density"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found * GRID.width, expected * GRID.width, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1) * GRID.width, 1.0, rtol=1e-5)
    onnx.checker.check_model(tmp_path / "pool.onnx", full_check=True)
    assert np.abs(expected[0] - expected[20]).max() > 0.1  # else all would agree whatever is read


@pytest.mark.parametrize("holes", ["with holes", "without"])
def test_either_way_through_the_graph_measures_what_numpy_measures(holes, stamps, tmp_path):
    images, ebv = stamps if holes == "with holes" else (stamps[0][11:], stamps[1][11:])
    untrained_pool(tmp_path, HYBRID, seeds=(1,))
    found = answers(tmp_path / "pool.onnx", images, ebv)
    flux, _, sigma = aperture_photometry(images)
    assert flux.shape[1] == len(APERTURE_RADII_ARCSEC)
    np.testing.assert_allclose(found["aperture_flux"], flux, rtol=1e-4, atol=1e-4)
    expected = np.log(np.maximum(sigma, 1e-6))
    np.testing.assert_allclose(found["log_sky"], expected, rtol=1e-4, atol=1e-4)
    assert np.isnan(found["log_sky"]).any() == (holes == "with holes")


def test_stamps_without_holes_have_the_same_answer_beside_one_with(stamps, tmp_path):
    untrained_pool(tmp_path, HYBRID, seeds=(1,))
    images, ebv = stamps
    whole = answers(tmp_path / "pool.onnx", images[11:], ebv[11:])["density"]
    beside = answers(tmp_path / "pool.onnx", images, ebv)["density"][11:]
    np.testing.assert_allclose(whole, beside, rtol=1e-5, atol=1e-6)


def test_the_published_network_gives_redshifts(trained_published, sample, tmp_path):
    images, ebv = sample.images(np.arange(50)), sample.column("ebv", np.arange(50))
    images[:3, :7] = np.nan
    pool = load_pool(trained_published)
    found = answers(trained_published / "pool.onnx", images, ebv)
    assert set(found) == {"redshift", "aperture_flux", "log_sky"}
    expected = mix([member.raw(images, ebv) for member in pool.members])
    np.testing.assert_allclose(found["redshift"], expected, atol=1e-5)


def test_the_same_networks_have_the_same_bytes_and_altered_ones_none(trained_pool, tmp_path):
    members = [trained_pool / "seed-1", trained_pool / "seed-2"]
    write_onnx_form(tmp_path / "again.onnx", members)
    again = (tmp_path / "again.onnx").read_bytes()
    assert again == (trained_pool / "pool.onnx").read_bytes()
    write_onnx_form(tmp_path / "one.onnx", members[:1])
    assert len((tmp_path / "one.onnx").read_bytes()) < len(again)
    altered = tmp_path / "seed-1"
    altered.mkdir()
    for path in members[0].iterdir():
        (altered / path.name).write_bytes(path.read_bytes())
    weights = altered / "weights.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="weights do not match"):
        write_onnx_form(tmp_path / "no.onnx", [altered])
    assert not (tmp_path / "no.onnx").exists()


def test_a_bfloat16_hybrid_is_computed_in_float32(stamps, tmp_path):
    mixed = HybridConfig.model_validate({**HYBRID.model_dump(), "precision": "mixed_bfloat16"})
    pool = untrained_pool(tmp_path, mixed, seeds=(1,))
    expected = pool.members[0].raw(*stamps)
    found = answers(tmp_path / "pool.onnx", *stamps)["density"]
    assert np.abs(found - expected).max() * GRID.width < 0.1
