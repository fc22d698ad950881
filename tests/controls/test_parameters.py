import shutil

import h5py
import numpy as np
import pytest

from pix2z.controls.features import N_MAIN
from pix2z.controls.parameters import parameter_features, perturbed, read_parameters
from pix2z.errors import InputError, IntegrityError
from pix2z.files import file_digest, files_of, total_digest
from pix2z.sky.fisher import PARAMETERS

N = 2000
SIGMA = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.03, 0.02])
CORRELATION = 0.9
"""Of fluxes between bands; the other parameters are independent here."""


def cholesky(sigma):
    correlation = np.eye(8)
    correlation[:5, :5] += CORRELATION * (1 - np.eye(5))
    return np.linalg.cholesky(correlation * np.outer(sigma, sigma))


def truth(n=N):
    rng = np.random.default_rng(9)
    return {
        "flux": 10 ** rng.uniform(1, 3, (n, 5)),
        "bulge_fraction": rng.uniform(0.3, 0.7, (n, 5)),
        "disc_half_light_radius": rng.uniform(1, 4, n),
        "bulge_half_light_radius": rng.uniform(0.5, 2, n),
        "disc_axis_ratio": rng.uniform(0.4, 0.8, n),
        "bulge_axis_ratio": rng.uniform(0.6, 1, n),
        "psf_fwhm": rng.uniform(1, 2, (n, 5)),
        "ebv": rng.uniform(0, 0.1, n),
        "sigma_cholesky": np.repeat(cholesky(SIGMA)[None], n, axis=0),
    }


@pytest.fixture
def raw_path(tmp_path):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        for name, values in truth().items():
            file[f"truth/{name}"] = values
        file["truth/sigma_cholesky"].attrs["parameters"] = PARAMETERS
    return path


def test_parameters_of_a_folder_are_numbered_through_its_files(raw_path):
    folder = raw_path.parent / "many"
    folder.mkdir()
    for name in ("a.h5", "b.h5"):
        shutil.copy(raw_path, folder / name)
    with h5py.File(folder / "b.h5", "a") as file:
        file["truth/ebv"][...] += 1.0
    rows = np.array([5, N + 5, 2 * N - 1])
    found = read_parameters(folder, rows, sha256=total_digest(files_of(folder)))
    np.testing.assert_array_equal(found["flux"], truth()["flux"][[5, 5, N - 1]])
    np.testing.assert_allclose(found["ebv"], truth()["ebv"][[5, 5, N - 1]] + [0.0, 1.0, 1.0])
    with h5py.File(folder / "b.h5", "a") as file:
        del file["truth"]
    assert read_parameters(folder, rows, sha256=total_digest(files_of(folder))) == {}


def test_files_that_say_nothing_of_a_rendering_have_no_parameters(tmp_path):
    np.savez(tmp_path / "sdss.npz", cube=np.zeros(3))
    path = tmp_path / "sdss.npz"
    assert read_parameters(path, np.arange(3), sha256=file_digest(path)) == {}


def test_a_raw_file_changed_since_ingest_is_refused(raw_path):
    with pytest.raises(IntegrityError, match=r"raw\.h5: changed since ingest"):
        read_parameters(raw_path, np.arange(3), sha256="0" * 64)


def test_a_missing_parameter_is_named(raw_path):
    with h5py.File(raw_path, "a") as file:
        del file["truth/sigma_cholesky"]
    with pytest.raises(InputError, match="'truth/sigma_cholesky' is missing"):
        read_parameters(raw_path, np.arange(3), sha256=file_digest(raw_path))


@pytest.mark.parametrize("order", [PARAMETERS[::-1], None])
def test_a_covariance_in_another_order_is_refused(raw_path, order):
    with h5py.File(raw_path, "a") as file:
        attributes = file["truth/sigma_cholesky"].attrs
        del attributes["parameters"]
        if order:
            attributes["parameters"] = order
    received = "bulge_fraction, disc_axis_ratio" if order else "no order"
    with pytest.raises(InputError, match=rf"expected .* of flux_u, .*; received {received}"):
        read_parameters(raw_path, np.arange(3), sha256=file_digest(raw_path))


def test_noise_has_the_fisher_sigma_and_the_seed():
    parameters = truth()
    noisy = perturbed(parameters, seed=3)
    errors = {"flux": 0.5, "disc_half_light_radius": 0.1, "disc_axis_ratio": 0.03}
    for name, sigma in errors.items():
        pulls = (noisy[name] - parameters[name]) / sigma
        assert pulls.std() == pytest.approx(1.0, abs=0.05)
        assert pulls.mean() == pytest.approx(0.0, abs=0.08)
    fraction_shift = noisy["bulge_fraction"] - parameters["bulge_fraction"]
    np.testing.assert_allclose(fraction_shift, fraction_shift[:, :1] * np.ones(5), atol=1e-12)
    assert fraction_shift.std() == pytest.approx(0.02, rel=0.05)
    np.testing.assert_array_equal(noisy["psf_fwhm"], parameters["psf_fwhm"])
    again, other = perturbed(parameters, seed=3), perturbed(parameters, seed=4)
    np.testing.assert_array_equal(again["flux"], noisy["flux"])
    assert (other["flux"] != noisy["flux"]).all()


def test_errors_of_a_stamp_are_drawn_jointly():
    parameters = truth()
    errors = perturbed(parameters, seed=3)["flux"] - parameters["flux"]
    expected = CORRELATION + (1 - CORRELATION) * np.eye(5)
    np.testing.assert_allclose(np.corrcoef(errors.T), expected, atol=0.02)
    assert np.abs(np.corrcoef(errors[1:, 0], errors[:-1, 0])[0, 1]) < 0.08


def test_noise_stays_physical_and_hides_what_has_no_error():
    parameters = truth()
    sigma = np.where(SIGMA < 0.5, 10.0, SIGMA)
    parameters["sigma_cholesky"] = np.repeat(cholesky(sigma)[None], N, axis=0)
    noisy = perturbed(parameters, seed=3)
    assert (noisy["bulge_fraction"].min(), noisy["bulge_fraction"].max()) == (0.0, 1.0)
    assert noisy["disc_axis_ratio"].max() == 1.0
    assert noisy["disc_half_light_radius"].min() > 0
    assert not {"bulge_half_light_radius", "bulge_axis_ratio"} & set(noisy)


def test_features_begin_with_colours_and_magnitude_and_are_finite_or_nan():
    parameters = truth() | {"ebv": np.zeros(N)}
    features = parameter_features(parameters)
    magnitudes = 22.5 - 2.5 * np.log10(parameters["flux"])
    expected = np.column_stack([magnitudes[:, :-1] - magnitudes[:, 1:], magnitudes[:, 2]])
    np.testing.assert_allclose(features[:, :N_MAIN], expected, atol=0.02)
    assert features.shape == (N, 20)
    parameters["sigma_cholesky"][0, :5, :5] = np.inf
    noisy = parameter_features(perturbed(parameters, seed=1))
    assert noisy.shape == (N, 18)
    assert not np.isinf(noisy).any()
    assert np.isfinite(noisy[1:]).all()
