"""The registered spectrum network, loaded back as anybody would: real, small and untrained."""

import base64
import io
import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import Model

from pix2z.redshift_pdf.redshifts import FLAG_NO_R_FLUX
from pix2z.tracking.packaging import ModelRecord, save_model
from pix2z.tracking.served_forms import SPECTRUM
from pix2z.tracking.serving.request import LARGEST_EBV, LARGEST_PIXEL, RequestError

EBV = [0.01, 0.02, 0.03, None, 0.05]


def make_network(folder: Path, decoder: str, seed: int = 1) -> str:
    """Save a network of 400 wavelengths with fresh weights; return its digest."""
    import keras

    from pix2z.config.networks import HybridConfig
    from pix2z.config.spectrum import SpectrumConfig, TemplateSearchConfig, WavelengthRange
    from pix2z.spectrum_network.architectures import ShiftGrid
    from pix2z.spectrum_network.estimator import (
        ErrorBand,
        SpectrumEstimator,
        save_spectrum_estimator,
    )
    from pix2z.spectrum_network.recipes import fresh_spectrum_model

    settings = SpectrumConfig.read("params.yaml").model_copy(
        update={
            "wavelength": WavelengthRange(low=3800.0, high=9200.0, n=400),
            "stride": 4,
            "templates": TemplateSearchConfig(n_templates=4, degree=1, n_pixels=100),
            "n_templates": 3,
            "residual_rank": 2,
        }
    )
    encoder = HybridConfig.read("params.yaml").model_copy(
        update={"trunk_filters": (4,), "dense_units": (8,)}
    )
    shifts = ShiftGrid(settings.wavelength.grid, 4, 0.0, 0.4)
    keras.utils.set_random_seed(seed)
    model = fresh_spectrum_model(decoder, settings, encoder, shifts)
    if decoder == "physics":
        rng = np.random.default_rng(seed)
        model.get_layer("basis").set_weights([rng.uniform(0.5, 1, (3, shifts.n_rest))])
    estimator = SpectrumEstimator(
        decoder=decoder,
        model=model,
        shifts=shifts,
        band=ErrorBand(np.full(10, 0.1), np.ones(10), np.full(10, 2.0)),
        rest_wavelength=shifts.rest_wavelengths,
        rest_basis=np.ones((3, shifts.n_rest)),
        record={"arm": "full", "seed": seed},
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_spectrum_estimator(folder, estimator, settings=settings, encoder=encoder)
    return json.loads((folder / "spectrum.json").read_text())["digest"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A network of each decoder: decoder -> folder."""
    place = tmp_path_factory.mktemp("networks")
    for decoder in ("physics", "plain"):
        make_network(place / decoder, decoder)
    return {decoder: place / decoder for decoder in ("physics", "plain")}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, folders):
    """Return what the registry keeps of a network: decoder -> folder; never altered."""
    place = tmp_path_factory.mktemp("versions")
    for decoder, folder in folders.items():
        record = ModelRecord(
            name="pix2z-spectrum",
            model_description="",
            folder=folder,
            members=(),
            digest=json.loads((folder / "spectrum.json").read_text())["digest"],
            run_id="",
            card="",
            tags={"arm": decoder},
            form=SPECTRUM,
        )
        save_model(place / decoder, record, Model())
    return {decoder: place / decoder for decoder in folders}


@pytest.fixture(scope="module")
def model(saved):
    """The loaded network with a PDF."""
    return mlflow.pyfunc.load_model(str(saved["physics"]))


@pytest.fixture
def version(saved, tmp_path) -> Path:
    """A copy to alter."""
    return Path(shutil.copytree(saved["physics"], tmp_path / "version"))


@pytest.fixture
def load(version):
    return lambda: mlflow.pyfunc.load_model(str(version))


@pytest.fixture
def images() -> np.ndarray:
    rng = np.random.default_rng(1)
    images = rng.normal(0.1, 0.05, (5, 32, 32, 5)).astype(np.float32)
    images[1, :, :, 0] = np.nan
    images[2, :4] = np.nan
    images[4] -= 0.2  # no positive flux
    return images


@pytest.fixture
def expected(folders, images):
    """What the catalogue of spectra holds of these galaxies."""
    from pix2z.spectrum_network.estimator import load_spectrum_estimator
    from pix2z.spectrum_network.units import physical_spectra, redshift_columns

    ebv = np.array([np.nan if e is None else e for e in EBV], np.float32)
    estimator = load_spectrum_estimator(folders["physics"])
    # Traced for any number of galaxies, as when served: traced for five, it rounds otherwise.
    for n in (1, 2):
        estimator.reconstruct(np.zeros((n, 32, 32, 5), np.float32))
    found = estimator.reconstruct(images, ebv)
    physical = physical_spectra(found, images, ebv)
    return estimator, physical, redshift_columns(found, estimator.shifts)


def test_the_loaded_version_answers_as_the_network_does(model, images, expected):
    estimator, physical, redshifts = expected
    found = model.predict({"images": images, "ebv": EBV})
    assert set(found.columns) == {column.name for column in model.metadata.signature.outputs}
    for name in ("flux", "flux_error", "flux_error95"):
        np.testing.assert_allclose(np.stack(found[name]), getattr(physical, name), rtol=1e-5)
    for wavelength in found["wavelength"]:
        np.testing.assert_array_equal(wavelength, estimator.wavelengths.values)
    for name in ("z_median", "z_err68_low", "z_err68_high"):
        np.testing.assert_allclose(found[name], redshifts[f"pix2z_{name}"], rtol=1e-5)
    assert list(found["flags"]) == [0, 1, 2, 4, FLAG_NO_R_FLUX]


def test_every_form_of_input_gives_the_same_answer(model, images, expected):
    text = base64.b64encode(images.astype("<f4").tobytes()).decode()
    lists = np.where(np.isnan(images), None, images).tolist()
    for form in (images, text, lists):
        found = model.predict(form, params={"ebv": EBV})
        np.testing.assert_allclose(np.stack(found["flux"]), expected[1].flux, rtol=1e-5)


def test_a_plain_network_has_no_redshifts(saved, images):
    found = mlflow.pyfunc.load_model(str(saved["plain"])).predict(images)
    assert list(found.columns) == ["wavelength", "flux", "flux_error", "flux_error95", "flags"]
    assert np.isfinite(np.stack(found["flux"])).all()


def test_the_answer_is_json(model, images):
    from mlflow.pyfunc.scoring_server import predictions_to_json

    sent = io.StringIO()
    predictions_to_json(model.predict(images), sent)
    rows = json.loads(sent.getvalue(), parse_constant=pytest.fail)["predictions"]
    assert [len(row["flux"]) for row in rows] == [400] * 5


def test_the_brightest_and_reddest_and_a_blank_one_have_spectra(model, images):
    extreme = np.concatenate([images[:1], np.full((3, 32, 32, 5), LARGEST_PIXEL, np.float32)])
    extreme[2] *= -1
    extreme[3] = np.nan
    found = model.predict({"images": extreme, "ebv": [LARGEST_EBV] * 4})
    for name in ("flux", "flux_error", "flux_error95", "z_median"):
        assert np.isfinite(np.stack(found[name])).all()
    assert list(found["flags"]) == [0, 0, FLAG_NO_R_FLUX, 1 + 8 + FLAG_NO_R_FLUX]


def test_requests_that_are_not_answered_are_told_why(model, images):
    with pytest.raises(RequestError, match="images and ebv only"):
        model.predict({"images": images, "pdf": True})
    with pytest.raises(RequestError, match="129 galaxies; expected 128 at most"):
        model.predict(np.zeros((129, 32, 32, 5), np.float32))
    with pytest.raises(RequestError, match="ebv has shape"):
        model.predict({"images": images, "ebv": [0.1]})


def test_a_failure_of_the_model_keeps_its_reason_to_itself(model, images, monkeypatch, caplog):
    from mlflow.exceptions import MlflowException

    monkeypatch.setattr(model.unwrap_python_model(), "estimator", None)
    with pytest.raises(MlflowException, match="The model failed") as failure:
        model.predict(images)
    assert "NoneType" not in failure.value.serialize_as_json()
    assert "NoneType" in caplog.text


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("weights.weights.h5", "weights do not match the digest"),
        ("basis.h5", "does not match the digest"),
        ("spectrum.json", "content does not match its digest"),
    ],
)
def test_a_version_of_altered_files_does_not_load(version, load, file, message):
    from pix2z.errors import IntegrityError

    path = version / "artifacts/network" / file
    if file == "spectrum.json":
        described = json.loads(path.read_text())
        described["error_band"]["extra"][0] = 0.5
        path.write_text(json.dumps(described))
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    with pytest.raises(IntegrityError, match=message):
        load()


def test_another_network_in_the_place_of_the_registered_one_does_not_load(version, load):
    """Each of its files matches its digest, but it is not the network of this version."""
    from pix2z.errors import IntegrityError

    make_network(version / "artifacts/network", "physics", seed=2)
    with pytest.raises(IntegrityError, match="not the network that was registered"):
        load()


@pytest.mark.parametrize("escape", ["absolute", "folder", "file"])
def test_artifacts_outside_the_model_are_not_loaded(version, load, folders, tmp_path, escape):
    from pix2z.errors import IntegrityError

    elsewhere, inside = tmp_path / "elsewhere", version / "artifacts/network"
    shutil.copytree(folders["physics"], elsewhere)
    if escape == "absolute":
        described = (version / "MLmodel").read_text()
        assert "path: artifacts/network\n" in described
        described = described.replace("path: artifacts/network\n", f"path: {elsewhere}\n")
        (version / "MLmodel").write_text(described)
    elif escape == "folder":
        shutil.rmtree(inside)
        inside.symlink_to(elsewhere)
    else:
        (inside / "basis.h5").unlink()
        (inside / "basis.h5").symlink_to(elsewhere / "basis.h5")
    with pytest.raises(IntegrityError, match="outside the folder of the model"):
        load()


def test_a_version_is_code_weights_and_json_without_pickle(version, folders):
    files = {p.name: p for p in (version / "artifacts/network").iterdir()}
    assert set(files) == {"spectrum.json", "weights.weights.h5", "basis.h5"}
    for name, path in files.items():
        assert path.read_bytes() == (folders["physics"] / name).read_bytes()
    logged = [path for path in version.rglob("*") if path.is_file()]
    # Python writes its own cache beside the code once a version was loaded.
    cached = [path for path in logged if path.match("__pycache__/*.pyc")]
    suffixes = {path.suffix for path in logged if path not in cached}
    assert ".py" in suffixes
    assert not suffixes & {".pkl", ".pickle", ".npy", ".joblib", ".pt", ".pyc"}
    assert "python_model" not in (version / "MLmodel").read_text()
    requirements = (version / "requirements.txt").read_text()
    assert {"speclite", "tensorflow"} <= {line.split("==")[0] for line in requirements.split()}
