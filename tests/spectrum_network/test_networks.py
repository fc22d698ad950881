"""Spectrum networks from artificial galaxies: loss, resumption, bands, files, folds."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from pix2z.dataset.spectra import open_spectra
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError, IntegrityError
from pix2z.network import checkpoint
from pix2z.network.workers import side_by_side
from pix2z.spectrum_network.arm import Part, folds, train_spectrum_arms
from pix2z.spectrum_network.estimator import (
    fit_error_band,
    fit_line_band,
    line_sigma,
    load_spectrum_estimator,
)
from pix2z.spectrum_network.member import train_network
from pix2z.spectrum_network.recipes import masked_huber, smooth_shares
from pix2z.wavelengths import WavelengthGrid
from pix2z.wavelengths.lines import BLENDS, at_lines
from tests.spectrum_network.spectra import (
    GRID,
    SETTINGS,
    SHIFTS,
    artificial_spectra,
    spectrum_training,
)


@pytest.fixture(scope="module")
def training_of(sample_path, sample_split, sample_spectra_path, tmp_path_factory):
    """Return decoder, epochs -> a training in a folder of its own."""
    with open_spectra(sample_spectra_path) as spectra, open_galaxies(sample_path) as galaxies:
        yield lambda decoder, epochs: spectrum_training(
            galaxies,
            spectra,
            sample_split,
            tmp_path_factory.mktemp("spectrum"),
            decoder=decoder,
            epochs=epochs,
        )


@pytest.fixture(scope="module")
def trained_plain(training_of):
    """Folder of the network on all rows, without those of the folds."""
    training = training_of("plain", 15)
    split = training.split
    train_network(Part(training, "all", split.train, split.validation, kept=True))
    return training.folder


def test_masked_huber_is_hubers_loss_of_known_wavelengths():
    truth = np.array([[0.0, 1.0, np.nan, 2.0], [np.nan] * 4], np.float32)
    output = np.array([[0.05, 1.5, 9.0, 2.0], [1.0] * 4], np.float32)
    expected = np.mean([0.5 * 0.05**2, 0.1 * (0.5 - 0.05), 0.0])
    found = np.asarray(masked_huber(truth, output, delta=0.1))
    np.testing.assert_allclose(found, [expected, 0.0], rtol=1e-5)


def test_masked_huber_has_the_slope_of_hubers_loss():
    """Training sees the slope alone, and the loss takes it apart from its value."""
    truth = np.array([[0.0, 1.0, np.nan, 2.0, 3.0]], np.float32)
    output = tf.constant([[0.05, 1.5, 9.0, 2.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(output)
        loss = masked_huber(truth, output, delta=0.1)
    slope = np.array([[0.05, 0.1, 0.0, 0.0, -0.1]]) / 4
    np.testing.assert_allclose(tape.gradient(loss, output), slope, rtol=1e-5)


def test_smooth_shares_sum_to_one_and_peak_at_the_redshift():
    z = np.array([0.0, 0.1, 0.399, 0.7])
    shares = smooth_shares(z, SHIFTS, width=0.005)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    peak = SHIFTS.centres[np.argmax(shares, axis=1)]
    assert np.abs(peak - np.log1p(z))[:3].max() <= 0.51 * SHIFTS.width
    assert np.argmax(shares[3]) == SHIFTS.n - 1


def test_the_shifts_reach_every_redshift_of_the_range():
    assert SHIFTS.centres[0] == 0.0
    assert SHIFTS.centres[-1] >= np.log1p(0.4)
    assert SHIFTS.centres[-2] < np.log1p(0.4)
    rest = SHIFTS.rest_wavelengths
    assert rest[-1] == pytest.approx(GRID.high)
    assert rest[0] == pytest.approx(GRID.low / np.exp(SHIFTS.centres[-1]))


@pytest.mark.parametrize("n", [2, 3])
def test_rows_of_a_group_share_their_fold(n):
    group_id = np.repeat(np.arange(100), 3)
    fold = folds(group_id, n=n, seed=4)
    assert all(len(set(fold[group_id == g])) == 1 for g in range(100))
    counts = np.bincount(fold)
    assert len(counts) == n
    assert counts.max() - counts.min() <= 3
    assert not np.array_equal(fold, folds(group_id, n=n, seed=5))


def test_an_error_band_holds_what_it_says():
    rng = np.random.default_rng(5)
    variance = rng.uniform(0.0, 0.02, (4000, 80)).astype(np.float32)
    error = rng.normal(size=variance.shape) * np.sqrt(variance + 0.05**2)
    band = fit_error_band(error[:2000].astype(np.float32), variance[:2000])
    half68, half95 = band.half_widths(variance[2000:])
    assert np.mean(np.abs(error[2000:]) <= half68) == pytest.approx(0.68, abs=0.01)
    assert np.mean(np.abs(error[2000:]) <= half95) == pytest.approx(0.95, abs=0.01)
    # wider where the network says that it knows less
    wide = variance[2000:] > 0.015
    assert np.mean(np.abs(error[2000:][wide]) <= half68[wide]) == pytest.approx(0.68, abs=0.02)


@pytest.mark.parametrize("share_elsewhere", [0.0, 0.035])
def test_the_band_of_a_line_holds_its_peak_wherever_the_redshift_puts_it(share_elsewhere):
    """Lines as high as 0.2 to 1, somewhere within 3 % of wavelength: the network gives a low hump.

    Its variance is that of a line at an unknown place. The band of the continuum holds none of the
    peaks; that of H alpha holds what it says, of galaxies that it was not fitted to, also where
    some of them are elsewhere and seen with the band of the continuum.
    """
    rng, grid = np.random.default_rng(6), WavelengthGrid(6000.0, 7600.0, 300)
    wavelength, n = grid.values, 3000
    height, z = rng.uniform(0.2, 1.0, n), rng.uniform(0.03, 0.06, n)
    rest = wavelength[None] / (1 + z[:, None])
    truth = height[:, None] * np.exp(-0.5 * ((rest / 6564.614 - 1) / 0.001) ** 2)
    inside = (wavelength > 6564.614 * 1.03) & (wavelength < 6564.614 * 1.06)
    share = 0.05 * inside  # of the line, at each wavelength
    flux = height[:, None] * share
    variance = (height[:, None] ** 2 * share * (1 - share)).astype(np.float32)
    ends = np.full(n, 0.03), np.full(n, 0.06)
    sigma = line_sigma(variance, wavelength, *ends)
    off = np.abs(flux - truth) + np.abs(rng.normal(0, 0.02, truth.shape))
    fitted, judged = slice(0, 1500), slice(1500, n)
    h_alpha, peak = list(BLENDS).index("H alpha, [N II]"), at_lines(off, wavelength, z)
    elsewhere = rng.random(n) < share_elsewhere
    band = fit_error_band(off[fitted].astype(np.float32), variance[fitted])
    continuum = [at_lines(half, wavelength, z) for half in band.half_widths(variance)]
    band = fit_line_band(
        band,
        peak[fitted],
        sigma[fitted],
        continuum=(continuum[0][fitted], continuum[1][fitted]),
        elsewhere=elsewhere[fitted],
    )
    halves = zip((0.68, 0.95), band.line_half_widths(sigma), continuum, strict=True)
    for level, at_line, around in halves:
        seen = np.where(elsewhere[:, None], around[:, h_alpha], at_line[:, h_alpha, None])
        held = (peak[:, h_alpha] <= seen)[judged][np.isfinite(peak[judged, h_alpha])]
        assert np.mean(held) == pytest.approx(level, abs=0.015)
    assert np.mean(peak[judged, h_alpha, 1] <= continuum[1][judged, h_alpha, 1]) < 0.5
    unknown = line_sigma(variance[:1], wavelength, np.array([np.nan]), np.array([np.nan]))
    assert np.isnan(unknown).all()


@pytest.mark.parametrize("decoder", ["physics", "plain"])
def test_an_arm_learns_is_saved_and_reads_back(decoder, request, sample, sample_split):
    folder = request.getfixturevalue({"physics": "trained_spectrum"}.get(decoder, "trained_plain"))
    estimator = load_spectrum_estimator(folder)
    rows = sample_split.test
    reconstruction = estimator.reconstruct(sample.images(rows), sample.column("ebv", rows))
    z = sample.column("specz_redshift", rows).astype(np.float64)
    truth = artificial_spectra(z, GRID)
    train_z = sample.column("specz_redshift", sample_split.train).astype(np.float64)
    mean = artificial_spectra(train_z, GRID).mean(axis=0)
    error = reconstruction.flux - truth
    assert np.mean(error**2) < 0.8 * np.mean((mean - truth) ** 2)
    assert 0.55 < np.mean(np.abs(error) <= reconstruction.err68) < 0.8
    assert (reconstruction.err95 >= reconstruction.err68).all()
    if decoder == "physics":
        np.testing.assert_allclose(reconstruction.shares.sum(axis=1), 1, rtol=1e-4)
        z_mean = np.expm1(reconstruction.shares @ SHIFTS.centres)
        assert np.corrcoef(z_mean, z)[0, 1] > 0.8
        seen = np.isfinite(reconstruction.line95)
        assert seen[:, list(BLENDS).index("H beta")].all()
        assert (reconstruction.line95 >= reconstruction.line68)[seen].all()
    else:
        assert reconstruction.shares is None
        assert np.isnan(reconstruction.line95).all()


def test_what_was_never_measured_is_unknown_as_it_is_to_other_networks(trained_spectrum, sample):
    """A band of zeros is absent, and E(B-V) that cannot be is unknown; both are flagged."""
    images, ebv = sample.images([0, 1, 2]), sample.column("ebv", [0, 1, 2])
    dirty, dirty_ebv = images.copy(), ebv.copy()
    images[0, ..., 0], dirty[0, ..., 0] = np.nan, 0
    ebv[1:], dirty_ebv[1:] = np.nan, (99, -99)
    estimator = load_spectrum_estimator(trained_spectrum)
    expected, found = (estimator.reconstruct(*one) for one in ((images, ebv), (dirty, dirty_ebv)))
    assert found.flags.tolist() == [1, 4, 4]
    assert np.isfinite(found.flux).all()
    for name in ("flux", "err68", "shares"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_every_row_is_reconstructed_once_by_a_network_that_never_saw_it(training_of):
    training = training_of("physics", 1)
    parts = []

    def run(_function, asked):
        for part in asked:
            parts.append(part)
            assert not set(part.train_rows) & set(part.unseen_rows)
            part.unseen_path.parent.mkdir(exist_ok=True)
            with h5py.File(part.unseen_path, "w") as file:
                file["flux"] = np.repeat(part.unseen_rows[:, None], 20, axis=1)
        return []

    train_spectrum_arms([training], run)
    np.testing.assert_array_equal(parts[0].train_rows, training.split.train)
    with h5py.File(training.folder / "unseen.h5", "r") as file:
        for name in ("train", "validation"):
            rows = getattr(training.split, name)
            np.testing.assert_array_equal(file[f"{name}/rows"][...], rows)
            np.testing.assert_array_equal(
                file[f"{name}/flux"][...], np.repeat(rows[:, None], 20, 1)
            )


@pytest.mark.long
def test_a_killed_training_ends_in_the_same_files_whatever_the_processes(
    training_of, trained_spectrum, monkeypatch
):
    """Killed in the network of a fold, after that on all rows; then finished in two processes."""

    class Killed(Exception):  # noqa: N818
        pass

    original, saved = checkpoint.save_state, []

    def save(path, state):
        original(path, state)
        saved.append(path.stem)
        if path.stem == "fold-0":
            raise Killed

    training = training_of("physics", SETTINGS.epochs)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save_state", save)
        with pytest.raises(Killed):
            train_spectrum_arms([training])
    assert saved == [*["all"] * SETTINGS.epochs, "fold-0"]
    with side_by_side(2) as run:
        train_spectrum_arms([training], run)
    for name in ("weights.weights.h5", "unseen.h5", "basis.h5"):
        assert (trained_spectrum / name).read_bytes() == (training.folder / name).read_bytes()


def _replace_in_json(folder, old, new):
    path = folder / "spectrum.json"
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("alter", "error", "named"),
    [
        (lambda f: (f / "weights.weights.h5").write_bytes(b"x"), IntegrityError, "weights"),
        (lambda f: (f / "basis.h5").write_bytes(b"x"), IntegrityError, "basis.h5"),
        (lambda f: _replace_in_json(f, "physics", "plain"), IntegrityError, "spectrum.json"),
        (lambda f: _replace_in_json(f, "pix2z-spectrum 2", "1"), InputError, "schema"),
        (lambda f: (f / "spectrum.json").unlink(), InputError, "spectrum.json"),
    ],
)
def test_an_altered_network_is_refused(alter, error, named, trained_spectrum, tmp_path):
    folder = Path(shutil.copytree(trained_spectrum, tmp_path / "model"))
    alter(folder)
    with pytest.raises(error, match=named):
        load_spectrum_estimator(folder)
