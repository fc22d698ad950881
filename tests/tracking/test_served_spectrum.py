"""A version of a trained spectrum network, loaded back as anybody would."""

import io
import json
from dataclasses import replace

import mlflow
import numpy as np
import pytest

from pix2z.dataset.stamps import LARGEST_EBV
from pix2z.imaging import LARGEST_PIXEL
from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.tracking.packaging import save_model
from pix2z.tracking.served_forms import SPECTRUM
from pix2z.tracking.served_requests import RequestError

EBV = [0.01, 0.02, 0.03, None, 0.05]


@pytest.fixture(scope="module")
def saved(trained_spectrum, tmp_path_factory):
    """What the registry keeps of the network; never altered."""
    folder = tmp_path_factory.mktemp("saved") / "version"
    save_model(folder, trained_spectrum, SPECTRUM)
    return folder


@pytest.fixture(scope="module")
def model(saved):
    return mlflow.pyfunc.load_model(str(saved))


@pytest.fixture(scope="module")
def expected(trained_spectrum, images):
    """What the catalogue of spectra holds of these galaxies."""
    from pix2z.spectrum_network.estimator import load_spectrum_estimator
    from pix2z.spectrum_network.units import physical_answer

    ebv = np.array(EBV, np.float32)
    estimator = load_spectrum_estimator(trained_spectrum)
    # Traced for any number of galaxies, as when served: traced for five, it rounds otherwise.
    for n in (1, 2):
        estimator.reconstruct(np.zeros((n, 32, 32, 5), np.float32))
    reconstruction = estimator.reconstruct(images, ebv)
    return estimator, physical_answer(reconstruction, estimator.shifts)


def test_the_loaded_version_answers_as_the_network_does(model, images, expected):
    estimator, answer = expected
    rows = model.predict({"images": images, "ebv": EBV})
    assert set(rows.columns) == {column.name for column in model.metadata.signature.outputs}
    for name in ("flux", "flux_error", "flux_error95"):
        np.testing.assert_allclose(np.stack(rows[name]), answer[name], rtol=1e-5)
    np.testing.assert_array_equal(np.stack(rows["wavelength"]), [estimator.wavelengths.values] * 5)
    for name in ("z_median", "z_err68_low", "z_err68_high"):
        np.testing.assert_allclose(rows[name], answer[f"pix2z_{name}"], rtol=1e-5)
    assert list(rows["pix2z_flags"]) == [0, 1, 2, 4, ImageFlag.NO_R_FLUX]


def test_a_network_without_a_redshift_pdf_gives_spectra_alone(model, images, monkeypatch):
    estimator = model.unwrap_python_model().estimator

    class Plain:
        wavelengths, shifts = estimator.wavelengths, estimator.shifts

        def reconstruct(self, *galaxies):
            return replace(estimator.reconstruct(*galaxies), shares=None)

    monkeypatch.setattr(model.unwrap_python_model(), "estimator", Plain())
    rows = model.predict(images)
    assert list(rows.columns) == ["wavelength", "flux", "flux_error", "flux_error95", "pix2z_flags"]


def test_the_answer_is_json(model, images):
    from mlflow.pyfunc.scoring_server import predictions_to_json

    sent = io.StringIO()
    predictions_to_json(model.predict(images), sent)
    rows = json.loads(sent.getvalue(), parse_constant=pytest.fail)["predictions"]
    assert len(rows) == 5


def test_the_brightest_and_reddest_have_spectra_and_a_blank_one_none(model, images):
    extreme = np.concatenate([images[:1], np.full((3, 32, 32, 5), LARGEST_PIXEL, np.float32)])
    extreme[2] *= -1
    extreme[3] = np.nan
    rows = model.predict({"images": extreme, "ebv": [LARGEST_EBV] * 4})
    for name in ("flux", "flux_error", "flux_error95", "z_median"):
        assert np.isfinite(np.stack(rows[name][:3]).astype(float)).all()
        assert rows[name][3] is None
    assert list(rows["pix2z_flags"]) == [0, 0, ImageFlag.NO_R_FLUX, 1 + 8]


def test_requests_that_are_not_answered_are_told_why(model, images):
    with pytest.raises(RequestError, match="images and ebv only"):
        model.predict({"images": images, "pdf": True})
    with pytest.raises(RequestError, match="129 galaxies; expected 128 at most"):
        model.predict(np.zeros((129, 32, 32, 5), np.float32))


def test_a_version_is_code_weights_and_json_without_pickle(saved, trained_spectrum):
    files = {path.name: path for path in (saved / "artifacts/network").iterdir()}
    assert set(files) == {"spectrum.json", "weights.weights.h5", "basis.h5"}
    for name, path in files.items():
        assert path.read_bytes() == (trained_spectrum / name).read_bytes()
