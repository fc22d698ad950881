"""Target spectra of each kind: what they must agree with, and what is refused."""

import h5py
import numpy as np
import pytest

from pix2z.config.sky import SkyConfig
from pix2z.dataset.photometric_spectra import PhotometricSpectra
from pix2z.dataset.sdss_models import extinction_per_ebv, within_fibre
from pix2z.dataset.spectra import open_spectra
from pix2z.dataset.spectrum_departures import line_factors, line_strengths
from pix2z.dataset.spectrum_targets import OF_PARENTS, write_target_spectra
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError, IntegrityError
from pix2z.imaging import EFFECTIVE_WAVELENGTH, EXTINCTION_PER_EBV
from pix2z.ingest.galaxies import ingest
from pix2z.sky.filters import band_weights
from pix2z.sky.semireal import write_semireal
from pix2z.wavelengths import WavelengthGrid
from pix2z.wavelengths.lines import line_pixels
from tests.sky.test_templates import directly

GRID = WavelengthGrid(3800.0, 9200.0, 1500)
FRACTIONS = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}
LOGLAM = np.arange(3.56, 3.97, 1e-4)


def ingested(raw, out, *, radius):
    ingest(raw, out, layout="sdss32", z_min=0.0, z_max=0.4, duplicate_radius_arcsec=radius)


def targets(raw, galaxies_path, out, grid=GRID):
    """Write target spectra of all galaxies, and read them: kind, flux (n, L), report."""
    with open_galaxies(galaxies_path) as galaxies:
        report = write_target_spectra(out, raw, galaxies, grid=grid)
    with open_spectra(out) as spectra:
        assert spectra.grid == grid
        assert report["kind"] == spectra.kind
        return spectra.flux(np.arange(len(spectra))), report


def relative_to_r(flux):
    """Spectra (n, L) over their photon-weighted mean in r."""
    return flux / (flux @ band_weights(GRID.values, "r"))[:, None]


def distance(flux, other):
    """Median over wavelengths of the relative difference of spectra (n, L), (n,)."""
    return np.median(np.abs(flux / other - 1), axis=1)


@pytest.fixture(scope="module")
def semireal(tmp_path_factory):
    """Raw file of 80 parents with a spectrum each, and 20 moved stamps, and its galaxies.h5."""
    folder = tmp_path_factory.mktemp("semireal")
    write_semireal(
        folder / "raw.h5",
        seed=3,
        n_parents=80,
        n_stamps=100,
        max_shift=0.03,
        faint_limit=17.8,
        conditions=SkyConfig.read().conditions,
        size_depends_on_redshift=True,
        split_seed=2,
        fractions=FRACTIONS,
    )
    ingested(folder / "raw.h5", folder / "galaxies.h5", radius=2.0)
    return folder


@pytest.fixture(scope="module")
def rendered(semireal, tmp_path_factory):
    """Target spectra (n, L) relative to r, sums of templates, and what was drawn, row by row."""
    out = tmp_path_factory.mktemp("targets") / "s.h5"
    flux, report = targets(semireal / "raw.h5", semireal / "galaxies.h5", out)
    assert (report["kind"], report["without_spectrum"]) == ("parent", 0)
    with open_galaxies(semireal / "galaxies.h5") as galaxies:
        origin = galaxies.column("row_origin")
        z = galaxies.column("specz_redshift").astype(float)
    with h5py.File(semireal / "raw.h5", "r") as raw:
        truth = {name: raw[f"truth/{name}"][...][origin] for name in OF_PARENTS}
    of_templates = zip(truth["template_coefficients"], z, strict=True)
    sums = np.stack([directly(*galaxy, grid=GRID) for galaxy in of_templates])
    return flux, sums, truth | {"z": z}


def test_rendered_galaxies_depart_from_their_template_sum_by_some_per_cent(rendered):
    flux, sums, _ = rendered
    found = distance(flux, relative_to_r(sums))
    assert found.max() < 0.06
    assert 0.008 < np.median(found) < 0.03
    np.testing.assert_allclose(relative_to_r(flux), flux, rtol=1e-5)


def test_departures_leave_broad_bands_as_they_were_rendered(rendered):
    """Colours are those of the sum of templates times the drawn scatter, within 0.004 mag."""
    flux, sums, truth = rendered
    for (one, a), (other, b) in ((("g", 1), ("r", 2)), (("r", 2), ("i", 3))):
        weights = [band_weights(GRID.values, band) for band in (one, other)]
        got, rendered_ = (np.divide(*(spectra @ w for w in weights)) for spectra in (flux, sums))
        expected = rendered_ * truth["template_scatter"][:, a] / truth["template_scatter"][:, b]
        assert np.abs(2.5 * np.log10(got / expected)).max() < 0.004


def test_a_moved_stamp_has_the_lines_of_its_parent(rendered):
    """H alpha over the sum's, above the continuum on both sides, is the parent's factor."""
    flux, sums, truth = rendered
    strength = truth["template_coefficients"] @ line_strengths()[:, 4]
    bright = np.flatnonzero(strength > 0.5 * np.median(sums, axis=1) * (1 + truth["z"]))
    assert len(bright) > 10
    factors, scaled = line_factors(truth["parent"])[:, 4], relative_to_r(sums)
    for row in bright:
        place = line_pixels(GRID.values, truth["z"][row : row + 1], 6564.614)[0]
        sides = [place - 30, place - 25, place + 25, place + 30]
        if sides[-1] < GRID.n:
            height, before = (s[row][place] - s[row][sides].mean() for s in (flux, scaled))
            assert height / before == pytest.approx(factors[row], rel=0.2)
    assert factors.min() < 0.7
    assert factors.max() > 1.4


def test_lines_scatter_as_published_and_depend_on_the_parent_alone():
    parent = np.arange(20_000)
    dex = np.log10(line_factors(parent))
    o2, _, h_beta, o3, h_alpha, n2, s2 = dex.T
    assert h_alpha.std() == pytest.approx(0.2, rel=0.02)
    assert (h_alpha - h_beta).std() == pytest.approx(0.4 * 0.3 * 0.38, rel=0.02)
    assert (n2 - h_alpha).std() == pytest.approx(0.1 / 0.57, rel=0.02)
    assert np.corrcoef(n2 - h_alpha, o3 - h_beta)[0, 1] < -0.95
    assert (o2 - h_alpha).std() == pytest.approx(0.4 * 0.3 * 0.76, rel=0.02)
    np.testing.assert_array_equal(s2, h_alpha)
    np.testing.assert_array_equal(line_factors(np.array([7, 7, 3])), 10 ** dex[[7, 7, 3]])


def test_without_a_truth_spectra_are_fitted_to_the_images(semireal, tmp_path):
    """A fit is near the spectrum that was rendered, and nearer than to the next galaxy's."""
    raw = tmp_path / "raw.h5"
    with h5py.File(semireal / "raw.h5", "r") as before, h5py.File(raw, "w") as file:
        for key in before:
            if key != "truth":
                file[key] = before[key][...]
        file.attrs.update(before.attrs)
    ingested(raw, tmp_path / "g.h5", radius=0.0001)
    fitted, report = targets(raw, tmp_path / "g.h5", tmp_path / "fitted.h5")
    assert report["kind"] == "fitted"
    true, _ = targets(semireal / "raw.h5", semireal / "galaxies.h5", tmp_path / "true.h5")
    with open_galaxies(tmp_path / "g.h5") as galaxies:
        fitted_ids = galaxies.column("object_id")
    with open_galaxies(semireal / "galaxies.h5") as galaxies:
        places = {one: place for place, one in enumerate(galaxies.column("object_id"))}
    true = true[[places[one] for one in fitted_ids]]
    found = distance(fitted, true)
    assert np.median(found) < 0.02
    assert np.median(found) < 0.5 * np.median(distance(fitted, np.roll(true, 1, axis=0)))


def test_a_fit_averaged_over_redshifts_is_the_mean_of_fits_and_best_at_the_true_one(semireal):
    with open_galaxies(semireal / "galaxies.h5") as galaxies:
        rows = np.arange(40)
        z = galaxies.column("specz_redshift", rows).astype(np.float64)
        fitted = PhotometricSpectra(galaxies, GRID, z_max=0.6)
        beyond = fitted.mean_over(rows[:2], np.full((2, 1), 0.59))
        at_true = relative_to_r(fitted.at(rows, z))
        far = np.stack([z, z + 0.05, z + 0.1], axis=1)
        each = [relative_to_r(fitted.at(rows, one)) for one in far.T]
        mean, same = fitted.mean_over(rows, far), fitted.mean_over(rows, z[:, None].repeat(3, 1))
    np.testing.assert_allclose(mean, np.mean(each, axis=0), rtol=1e-4)
    np.testing.assert_allclose(same, at_true, rtol=1e-4)
    assert np.isfinite(beyond).all()
    with h5py.File(semireal / "raw.h5", "r") as raw, open_galaxies(semireal / "galaxies.h5") as g:
        coefficients = raw["truth/template_coefficients"][...][g.column("row_origin", rows)]
    true = relative_to_r(
        np.stack([directly(c, one, grid=GRID) for c, one in zip(coefficients, z, strict=True)])
    )
    assert np.median(distance(same, true)) < 0.5 * np.median(distance(mean, true))


def test_within_a_fibre_a_spectrum_has_the_colours_of_what_the_fibre_sees():
    """Half as much of the light in g as in i: a flat spectrum becomes red, and stays relative."""
    flat, weights = np.ones((4, GRID.n), np.float32), band_weights(GRID.values, "r")
    share = np.array(
        [[0.1, 0.1, 0.15, 0.2, 0.2], [0.3] * 5, [np.nan] * 5, [np.nan, 0.1, *[0.2] * 3]]
    )
    found = within_fibre(flat, share, GRID.values, weights)
    g, r, i = (found @ band_weights(GRID.values, band) for band in "gri")
    np.testing.assert_allclose(r[[0, 1, 3]], 1.0, rtol=1e-5)
    assert (i / g)[0] == pytest.approx(2.0, rel=0.1)  # the share changes within the bands
    np.testing.assert_allclose(found[1], 1.0, rtol=1e-5)
    assert np.isnan(found[2]).all()
    assert (r / g)[3] > 1.5


@pytest.fixture
def sdss(raw, write_raw, run_ingest):
    """Return a function that writes raw files with spectra: paths of the folder and galaxies.h5."""

    def write(alter=lambda _content: None, *, files=1):
        n = 40
        content = {key: values[:n] for key, values in raw.items() if "truth" not in key}
        slope = np.linspace(-1.0, 1.0, n)[:, None]
        model = 3.0 * (10**LOGLAM / 6200.0) ** slope
        content |= {"spectra/loglam": LOGLAM, "spectra/model": model.astype(np.float32)}
        alter(content)
        parts = np.array_split(np.arange(n), files)
        for number, part in enumerate(parts):
            some = {k: v if k == "spectra/loglam" else v[part] for k, v in content.items()}
            path = write_raw(some, name=f"sdss/{number}.h5")
        path = path.parent if files > 1 else path
        return path, run_ingest(path)[0], content

    return write


def test_real_spectra_are_corrected_for_extinction_and_taken_relative_to_r(sdss, tmp_path):
    path, galaxies_path, _ = sdss(files=3)
    flux, report = targets(path, galaxies_path, tmp_path / "s.h5")
    assert (report["kind"], report["n"]) == ("sdss", 40)
    with open_galaxies(galaxies_path) as galaxies:
        origin, ebv = galaxies.column("row_origin"), galaxies.column("ebv")
    slope = np.linspace(-1.0, 1.0, 40)[origin][:, None]
    dust = 10 ** (0.4 * ebv[:, None] * extinction_per_ebv(GRID.values))
    expected = (GRID.values / 6200.0) ** slope * dust
    expected /= (expected @ band_weights(GRID.values, "r"))[:, None]
    np.testing.assert_allclose(flux, expected, rtol=1e-4)
    assert not np.allclose(dust, dust[:, :1], rtol=0.01)


def test_an_unknown_extinction_is_not_corrected(sdss, tmp_path):
    path, galaxies_path, _ = sdss(lambda content: content.update(e_bv=np.full(40, np.nan)))
    flux, _ = targets(path, galaxies_path, tmp_path / "s.h5")
    slope = (np.log(flux[:, -1]) - np.log(flux[:, 0])) / np.log(9200 / 3800)
    np.testing.assert_allclose(slope, np.linspace(-1.0, 1.0, 40), atol=1e-3)


def test_what_a_spectrum_does_not_cover_is_nan_and_without_r_all_is(sdss, tmp_path):
    def alter(content):
        content["spectra/model"][0, np.log10(4200) > LOGLAM] = np.nan
        content["spectra/model"][1, np.log10(6000) < LOGLAM] = np.nan  # half of r
        content["spectra/model"][2] = -1.0

    path, galaxies_path, _ = sdss(alter)
    flux, report = targets(path, galaxies_path, tmp_path / "s.h5")
    blue = GRID.values < 4199
    assert np.isnan(flux[0, blue]).all()
    assert np.isfinite(flux[0, GRID.values > 4201]).all()
    assert np.isnan(flux[[1, 2]]).all()
    assert np.isfinite(flux[3:]).all()
    assert (report["n"], report["without_spectrum"]) == (38, 2)


def test_spectra_in_air_are_refused(sdss, run_ingest, tmp_path):
    path, _, _ = sdss()
    with h5py.File(path, "r+") as file:
        file["spectra/loglam"].attrs["unit"] = "log10(Angstrom), air"
    galaxies_path = run_ingest(path)[0]
    said = "spectra/loglam: expected wavelengths in vacuum, as SDSS's are; received"
    with pytest.raises(InputError, match=said):
        targets(path, galaxies_path, tmp_path / "s.h5")


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda content: content.pop("spectra/loglam"), "spectra: cannot be read"),
        (
            lambda content: content.update({"spectra/model": np.ones((40, 7))}),
            r"spectra/model: expected \(N, L\) of 40 images .*received \(40, 7\)",
        ),
    ],
)
def test_spectra_of_another_kind_are_refused(sdss, tmp_path, alter, words):
    path, galaxies_path, _ = sdss(alter)
    with pytest.raises(InputError, match=words):
        targets(path, galaxies_path, tmp_path / "s.h5")
    assert not (tmp_path / "s.h5").exists()


def test_a_raw_file_that_changed_since_is_refused(sdss, tmp_path):
    path, galaxies_path, _ = sdss()
    with h5py.File(path, "r+") as file:
        file["specz_redshift"][0] += 0.01
    with pytest.raises(IntegrityError, match=r"0.h5: changed since ingest"):
        targets(path, galaxies_path, tmp_path / "s.h5")
    assert not (tmp_path / "s.h5").exists()


@pytest.mark.parametrize("content", [None, b"text", "other"])
def test_what_is_no_file_of_spectra_is_named(tmp_path, content):
    path = tmp_path / "spectra.h5"
    if content == "other":
        with h5py.File(path, "w") as file:
            file["flux"] = np.ones((2, 3))
    elif content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"spectra.h5: "), open_spectra(path):
        pass


def test_extinction_is_the_bands_own_at_their_wavelengths_and_falls_to_the_red():
    at_bands = extinction_per_ebv(np.array(EFFECTIVE_WAVELENGTH))
    np.testing.assert_allclose(at_bands, EXTINCTION_PER_EBV, rtol=1e-6)
    assert (np.diff(extinction_per_ebv(np.linspace(3000, 10_000, 500))) < 0).all()
