"""The registered model, loaded back as anybody would, with a real pool of untrained networks."""

from pathlib import Path

import numpy as np
import pytest

from pix2z.config.networks import HybridConfig
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.tracking.registry import ModelRecord, ensure_versions
from pix2z.tracking.store import open_store

GRID = RedshiftGrid(0.0, 0.4, 20)


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Path:
    """Two hybrids that differ, with fresh weights."""
    import keras

    from pix2z.network.calibration import Temperature
    from pix2z.network.estimator import Member, save_member, save_pool
    from pix2z.network.recipes import hybrid_model

    settings = HybridConfig.read("params.yaml").model_copy(
        update={"trunk_filters": (4,), "dense_units": (8,)}
    )
    folder = tmp_path_factory.mktemp("pool")
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        member = Member(
            architecture="hybrid",
            model=hybrid_model(settings, grid=GRID),
            grid=GRID,
            settings=settings.model_dump(mode="json"),
            record={"seed": seed},
            calibration=Temperature(1.2),
        )
        save_member(folder / f"seed-{seed}", member)
    save_pool(folder, ["seed-1", "seed-2"], Temperature(1.1))
    return folder


@pytest.fixture
def version(root, pool, client) -> str:
    """The registered version's folder."""
    store = open_store()
    run = client.create_run(store.experiments["pix2z-train"])
    record = ModelRecord(
        name="pix2z-full",
        model_description="",
        folder=pool,
        members=("seed-1", "seed-2"),
        digest="digest",
        run_id=run.info.run_id,
        card="",
        tags={"arm": "full", "architecture": "hybrid", "selection": "full"},
    )
    ensure_versions(store, [record])
    return str(client.get_model_version_download_uri("pix2z-full", "1"))


@pytest.fixture
def images() -> np.ndarray:
    rng = np.random.default_rng(1)
    images = rng.normal(0.1, 0.05, (5, 32, 32, 5)).astype(np.float32)
    images[1, :, :, 0] = np.nan
    images[2, :4] = np.nan
    return images


def test_the_loaded_version_answers_as_the_pool_does(version, pool, images):
    import mlflow

    from pix2z.network.estimator import load_pool

    model = mlflow.pyfunc.load_model(version)
    ebv = [0.01, 0.02, 0.03, float("nan"), 0.05]
    found = model.predict(images, params={"ebv": ebv})
    expected = load_pool(pool).estimate(images, np.array(ebv))
    assert list(found.columns) == [output.name for output in model.metadata.signature.outputs]
    np.testing.assert_array_equal(found["z_median"], expected.z_median)
    np.testing.assert_array_equal(found["z_err68_low"], expected.err68_low)
    np.testing.assert_array_equal(found["z_err95_high"], expected.err95_high)
    assert list(found["flags"]) == [0, 1, 2, 4, 0]

    without = model.predict(images)
    assert (without["flags"] & 4).all()
    assert not np.array_equal(without["z_median"], found["z_median"])


def test_images_of_another_shape_are_refused(version, images):
    import mlflow

    with pytest.raises(mlflow.exceptions.MlflowException, match="32, 32, 5"):
        mlflow.pyfunc.load_model(version).predict(images[:, :16])


def test_the_requirements_are_pinned_and_hold_what_serving_imports(version):
    lines = (Path(version) / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines)
    assert {"tensorflow", "keras", "h5py", "pydantic"} <= {line.split("==")[0] for line in lines}
