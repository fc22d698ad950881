import h5py
import numpy as np
import pytest

from pix2z.errors import InputError, IntegrityError
from pix2z.evaluation.controls.features import N_MAIN
from pix2z.evaluation.controls.parameters import parameter_features, perturbed, read_parameters
from pix2z.files import file_digest

N = 2000


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
        "sigma_flux": np.full((n, 5), 0.5),
        "sigma_bulge_fraction": np.full(n, 0.02),
        "sigma_disc_half_light_radius": np.full(n, 0.1),
        "sigma_disc_axis_ratio": np.full(n, 0.03),
    }


@pytest.fixture
def raw_path(tmp_path):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        for name, values in truth().items():
            file[f"truth/{name}"] = values
    return path


def test_parameters_are_those_of_the_raw_rows(raw_path):
    rows = np.array([7, 7, 0, 1999])
    found = read_parameters(raw_path, rows, sha256=file_digest(raw_path))
    for name, values in truth().items():
        np.testing.assert_array_equal(found[name], values[rows], err_msg=name)


def test_a_raw_file_changed_since_ingest_is_refused(raw_path):
    with pytest.raises(IntegrityError, match=r"raw\.h5: changed since ingest"):
        read_parameters(raw_path, np.arange(3), sha256="0" * 64)


def test_a_missing_parameter_is_named(raw_path):
    with h5py.File(raw_path, "a") as file:
        del file["truth/sigma_flux"]
    with pytest.raises(InputError, match="'truth/sigma_flux' is missing"):
        read_parameters(raw_path, np.arange(3), sha256=file_digest(raw_path))


def test_real_images_have_no_parameters(tmp_path):
    path = tmp_path / "real.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(3)
    assert read_parameters(path, np.arange(3), sha256=file_digest(path)) == {}


def test_noise_has_the_fisher_sigma_and_the_seed():
    parameters = truth()
    noisy = perturbed(parameters, seed=3)
    for name in ("flux", "disc_half_light_radius", "disc_axis_ratio"):
        pulls = (noisy[name] - parameters[name]) / parameters[f"sigma_{name}"]
        assert pulls.std() == pytest.approx(1.0, abs=0.05)
        assert pulls.mean() == pytest.approx(0.0, abs=0.08)
    fraction_shift = noisy["bulge_fraction"] - parameters["bulge_fraction"]
    np.testing.assert_allclose(fraction_shift, fraction_shift[:, :1] * np.ones(5), atol=1e-12)
    assert fraction_shift.std() == pytest.approx(0.02, rel=0.05)
    np.testing.assert_array_equal(noisy["psf_fwhm"], parameters["psf_fwhm"])
    again, other = perturbed(parameters, seed=3), perturbed(parameters, seed=4)
    np.testing.assert_array_equal(again["flux"], noisy["flux"])
    assert (other["flux"] != noisy["flux"]).all()


def test_noise_stays_physical_and_hides_what_has_no_error():
    parameters = truth()
    for name in ("bulge_fraction", "disc_half_light_radius", "disc_axis_ratio"):
        parameters[f"sigma_{name}"] = np.full(N, 10.0)
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
    parameters["sigma_flux"][0] = np.inf
    noisy = parameter_features(perturbed(parameters, seed=1))
    assert noisy.shape == (N, 18)
    assert not np.isinf(noisy).any()
    assert np.isfinite(noisy[1:]).all()
