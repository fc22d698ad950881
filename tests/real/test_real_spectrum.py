"""The whole way of one real galaxy: frames and spectrum of SDSS -> images -> spectrum -> redshift.

A small network learns from rendered stamps alone, for seconds, and is asked for the spectrum of the
one real galaxy of which there are both frames and a spectrum. It is a pair of galaxies in collision
that forms stars and has a warning on its redshift: no easy case, so the bounds are those of the
colours and the shape of its continuum. Neither a spectrum that is flat per Angstrom nor the mean of
the training galaxies passes all of them: the answers come from the images. Emission lines are not
asked for: colours say little of them, and so does the network.
"""

import csv
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

from pix2z.config.networks import HybridConfig
from pix2z.config.spectrum import SpectrumArm, SpectrumConfig
from pix2z.dataset.sdss_models import (
    relative_to_r,
    sdss_model,
    within_fibre,
    without_extinction,
)
from pix2z.dataset.spectra import open_spectra
from pix2z.dataset.spectrum_targets import write_target_spectra
from pix2z.dataset.store import open_galaxies
from pix2z.ingest.galaxies import ingest
from pix2z.sky.filters import band_weights
from pix2z.spectrum_network.arm import Part, SpectrumTraining
from pix2z.spectrum_network.member import train_network
from pix2z.spectrum_network.shifts import ShiftGrid
from pix2z.stages.train_spectrum import learned
from tests.real.conftest import LIMITS, ROOT, pix2z

PARAMS = ROOT / "params.yaml"
EBV = 0.02  # SFD98 there


@pytest.fixture(scope="module")
def network(rendered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the physical decoder on the rendered stamps, at 1,000 wavelengths; ten epochs.

    Its targets lie beside it, in spectra.h5. The networks of the folds, of which nothing is asked
    here, are left out.
    """
    (sky, split), folder = rendered, tmp_path_factory.mktemp("small")
    settings = SpectrumConfig.read(PARAMS)
    wavelength = settings.wavelength.model_copy(update={"n": 1000})
    settings = settings.model_copy(update={"wavelength": wavelength, "stride": 2, "epochs": 10})
    targets = folder / "spectra.h5"
    with open_galaxies(sky / "galaxies.h5") as galaxies:
        write_target_spectra(targets, sky / "raw.h5", galaxies, grid=wavelength.grid)
        with open_spectra(targets) as spectra:
            training = SpectrumTraining(
                galaxies=galaxies,
                spectra=spectra,
                split=split,
                arm=SpectrumArm(selection="full", decoder="physics", seed=1),
                settings=settings,
                encoder=HybridConfig.read(PARAMS),
                shifts=ShiftGrid(spectra.grid, settings.stride, 0.0, 0.4),
                learn_basis=partial(learned, settings=settings, seed=1),
                folder=folder / "network",
                checkpoints=folder / "checkpoints",
                record={"arm": "small"},
                curve=lambda: lambda _epoch, _record: None,
            )
            train_network(Part(training, "all", split.train, split.validation, kept=True))
    return folder / "network"


@pytest.fixture(scope="module")
def fetched(archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw file that `pix2z fetch sdss` makes of five frames and a spectrum."""
    folder = tmp_path_factory.mktemp("sdss")
    (folder / "one.csv").write_text(f"plate,mjd,fiberid,ebv\n1678,53433,425,{EBV}\n")
    pix2z("fetch", "sdss", folder / "one.csv", "--base-url", archive.url)
    return folder / "sdss.h5"


@pytest.fixture(scope="module")
def reconstructed(fetched: Path, network: Path) -> Path:
    """The file of spectra, beside it z.csv and spectrum.png."""
    folder = fetched.parent
    limits = {"classes": ("GALAXY",), "z_warnings": (0, 16), **LIMITS}
    report = ingest(fetched, folder / "galaxies.h5", **limits)
    assert report["n_good"] == 1
    out = folder / "spectra.hdf5"
    plot = ("--plot", folder / "spectrum.png")
    pix2z("spectrum", folder / "galaxies.h5", "--model", network, "--out", out)
    with h5py.File(out, "r") as file:
        of_galaxies = file["flux"][...]
    pix2z("spectrum", fetched, "--model", network, "--out", out, *plot)
    with h5py.File(out, "r") as file:
        np.testing.assert_allclose(file["flux"][...], of_galaxies, rtol=1e-4)
    pix2z("redshift", out, "--out", folder / "z.csv", "--z-min", 0, "--z-max", 0.4, "--coarse", 4)
    return out


@pytest.fixture(scope="module")
def spectra(fetched: Path, reconstructed: Path, network: Path) -> dict[str, np.ndarray]:
    """Spectra (L,) relative to r: real, from the images, the same with the colours of what a fibre
    sees, flat, mean of the training galaxies."""
    with h5py.File(reconstructed, "r") as file, h5py.File(fetched, "r") as raw:
        wavelength, flux = file["wavelength"][...], file["flux"][...]
        share = file["fibre_share"][...]
        model = sdss_model(raw, 0, wavelength)[None]
    real = without_extinction(model, wavelength, np.array([EBV]))
    with open_spectra(network.with_name("spectra.h5")) as known:
        mean = known.flux(np.arange(1000)).mean(axis=0, keepdims=True)
    weights = band_weights(wavelength, "r")
    middle = within_fibre(flux, share, wavelength, weights)
    found = {
        "real": real,
        "images": flux,
        "middle": middle,
        "flat": np.ones_like(flux),
        "mean": mean,
    }
    return {"wavelength": wavelength} | {
        name: relative_to_r(one, weights)[0] for name, one in found.items()
    }


def colour(spectra: dict[str, np.ndarray], name: str, blue: str, red: str) -> float:
    """Difference of mean flux densities in magnitudes, over what the real spectrum covers."""
    covered = np.isfinite(spectra["real"])
    mean = [
        (spectra[name] * band_weights(spectra["wavelength"], band))[covered].sum()
        for band in (blue, red)
    ]
    return float(-2.5 * np.log10(mean[0] / mean[1]))


def smooth_error(spectra: dict[str, np.ndarray], name: str) -> float:
    """RMS of the relative difference to the real spectrum, both averaged over 51 wavelengths."""
    covered, kernel = np.isfinite(spectra["real"]), np.ones(51) / 51
    mine, real = (
        np.convolve(np.where(covered, spectra[one], 0.0), kernel, mode="valid")
        for one in (name, "real")
    )
    return float(np.sqrt(np.mean((mine / real - 1) ** 2)))


def test_colours_are_those_of_the_real_spectrum(spectra):
    """Measured: 0.09 mag off in g-r, 0.13 in r-i; the mean training galaxy is 0.26 off in g-r.

    The fibre sees the nucleus, the images all of a galaxy and some of its neighbour.
    """
    real = colour(spectra, "real", "g", "r")
    assert abs(colour(spectra, "images", "g", "r") - real) < 0.12
    assert abs(colour(spectra, "mean", "g", "r") - real) > 0.20
    red = colour(spectra, "real", "r", "i")
    assert abs(colour(spectra, "images", "r", "i") - red) < 0.17


def test_within_the_fibre_colours_are_nearer_to_those_of_its_spectrum(spectra):
    """Of the middle, which is redder than the whole galaxy, whatever network reads the images."""
    for blue, red in ("gr", "ri"):
        real = colour(spectra, "real", blue, red)
        off = {n: abs(colour(spectra, n, blue, red) - real) for n in ("images", "middle")}
        assert off["middle"] < min(0.08, off["images"])


def test_the_continuum_is_that_of_the_real_spectrum(spectra):
    """Measured 12 % rms, and 9 % in the median; the mean training galaxy is off by 23 % rms.

    The median alone would say nothing: redward of r all spectra are alike, and the mean's is 5 %.
    """
    assert smooth_error(spectra, "images") < 0.16
    assert smooth_error(spectra, "mean") > 0.20
    assert np.nanmedian(np.abs(spectra["images"] / spectra["real"] - 1)) < 0.12


def test_the_blue_end_falls_as_that_of_the_real_spectrum(spectra):
    """A flat spectrum, near in g-r to this blue galaxy, knows nothing of the 4000 Angstrom break.

    Measured 20 % off below it, where the flat one is 56 % off.
    """
    blue = spectra["wavelength"] < 3950
    off = {n: np.nanmedian(np.abs(s / spectra["real"] - 1)[blue]) for n, s in spectra.items()}
    assert off["images"] < 0.30
    assert off["flat"] > 0.45


def test_the_redshift_is_found_within_what_a_small_network_can_do(reconstructed):
    """Measured 0.028 and 0.024 for 0.0403; a blind guess, the mean training galaxy's, is 0.11."""
    with h5py.File(reconstructed, "r") as file:
        z = float(file["pix2z_z_median"][0])
    (row,) = csv.DictReader(reconstructed.with_name("z.csv").read_text().splitlines())
    for found in (z, float(row["z"])):
        assert abs(found - 0.0403) < 0.03
    assert int(row["pix2z_flags"]) & 1 == 0  # it has a redshift


def test_the_figure_shows_spectrum_and_reconstruction(reconstructed):
    picture = imread(reconstructed.with_name("spectrum.png"))[..., :3]
    assert picture.shape[1] == 1080
    orange = (np.abs(picture - [0.835, 0.369, 0.0]) < 0.02).all(axis=-1)
    black = (picture < 0.02).all(axis=-1)
    assert orange.any(axis=0).sum() > 800  # columns from left to right
    assert black.any(axis=0).sum() > 800
