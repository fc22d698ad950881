"""`pix2z redshift`: tables, flags, and what it says where something is wrong."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from pix2z.redshift_pdf.flags import FIT_FLAG_MEANINGS
from pix2z.spectra.search import Search
from pix2z.spectra.spectrum_files import spectrum_writer
from pix2z.spectra.template_redshift import fit_redshifts
from tests.cli.conftest import one_line
from tests.spectra.galaxies import STEP, WAVELENGTH, galaxy, templates

Z = np.array([0.05, 0.12, 0.3, 0.2])
SIGMA = 0.02
HEADER = ["file", "row", "z", "z_err", "pix2z_flags", "reduced_chi2", "z_second", "delta_chi2"]


@pytest.fixture
def run(pix2z_in, tmp_path):
    """Return what runs ``pix2z redshift`` in a folder: exit code, stdout, stderr."""

    def call(*arguments, out="z.csv"):
        return pix2z_in(tmp_path, "redshift", *arguments, "--out", out)

    return call


def noisy(z, *, seed=1):
    rng = np.random.default_rng(seed)
    return np.stack([galaxy(one) for one in z]) + rng.normal(0, SIGMA, (len(z), len(WAVELENGTH)))


def write_many(path, *, basis=True, with_errors=True, bad=None, search=None):
    flux = noisy(Z)
    if bad is not None:
        flux[bad] = np.nan
    with spectrum_writer(
        path,
        WAVELENGTH,
        n=len(Z),
        unit="",
        with_errors=with_errors,
        basis=templates() if basis else None,
        search=search,
    ) as writer:
        errors = {"flux_error": np.full(flux.shape, SIGMA)} if with_errors else {}
        writer.append(flux=flux, **errors)


def write_sdss(path, *, ivar=None, z=0.15, air=False):
    n = len(WAVELENGTH)
    weight = np.full(n, SIGMA**-2) if ivar is None else ivar
    coadd = [
        fits.Column("flux", "E", array=noisy([z], seed=2)[0]),
        fits.Column("loglam", "E", array=np.log10(WAVELENGTH / (1.000278 if air else 1))),
        fits.Column("ivar", "E", array=weight),
        fits.Column("model", "E", array=galaxy(z)),
    ]
    specobj = [
        fits.Column("Z", "E", array=[z]),
        fits.Column("Z_ERR", "E", array=[1e-5]),
        fits.Column("ZWARNING", "J", array=[0]),
        fits.Column("CLASS", "6A", array=["GALAXY"]),
        fits.Column("PLUG_RA", "D", array=[1.0]),
        fits.Column("PLUG_DEC", "D", array=[2.0]),
    ]
    tables = [fits.BinTableHDU.from_columns(columns) for columns in (coadd, specobj)]
    primary = fits.PrimaryHDU()
    primary.header["VACUUM"] = not air
    fits.HDUList([primary, *tables]).writeto(path)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_of_many_is_read_with_its_own_basis(run, tmp_path):
    write_many(tmp_path / "many.h5", bad=2)
    code, said, errors = run("many.h5")
    assert (code, errors) == (0, "")
    found = rows(tmp_path / "z.csv")
    assert list(found[0]) == HEADER
    assert [row["file"] for row in found] == ["many.h5"] * 4
    assert [row["row"] for row in found] == ["0", "1", "2", "3"]
    z = np.array([float(row["z"]) for row in found])
    np.testing.assert_allclose(z[[0, 1, 3]], Z[[0, 1, 3]], atol=0.2 * STEP)
    assert [row["pix2z_flags"] for row in found] == ["0", "0", "3", "0"]
    assert (found[2]["z"], found[2]["z_err"], found[2]["reduced_chi2"]) == ("nan", "nan", "nan")
    assert said.startswith("4 spectra of 1 file in ")
    assert "\n1 flagged (no redshift: 1, fewer than half of the pixels are good: 1)\n" in said


def test_errors_may_be_absent_and_the_scan_coarse(run, tmp_path):
    write_many(tmp_path / "many.h5", with_errors=False)
    (tmp_path / "z.csv").write_text("old")
    assert run("many.h5", "--coarse", 8, "--z-min", 0, "--z-max", 0.4)[0] == 0
    z = [float(row["z"]) for row in rows(tmp_path / "z.csv")]
    np.testing.assert_allclose(z, Z, atol=0.2 * STEP)


def test_kcorrects_templates_are_taken_where_there_is_no_basis_or_they_are_asked_for(run, tmp_path):
    write_many(tmp_path / "own.h5")
    write_many(tmp_path / "none.h5", basis=False)
    assert run("own.h5", "none.h5", "--templates", "kcorrect", out="asked.csv")[0] == 0
    assert run("own.h5", "none.h5", out="own.csv")[0] == 0
    asked, own = rows(tmp_path / "asked.csv"), rows(tmp_path / "own.csv")
    values = [[row["reduced_chi2"] for row in table] for table in (asked, own)]
    assert values[0][:4] == values[0][4:] == values[1][4:]
    assert values[1][:4] != values[0][:4]
    assert all(float(row["reduced_chi2"]) == pytest.approx(1, abs=0.2) for row in own[:4])


def test_reconstructions_have_redshifts_of_their_network_and_no_error(run, tmp_path):
    """The third lies at 0.3, where the network has no redshifts: its own are doubtful."""
    write_many(tmp_path / "many.h5", search=Search(0.0, 0.299, n_templates=3, n_pixels=2000))
    code, said, _ = run("many.h5")
    assert code == 0
    assert "\n1 flagged (doubtful: 1)\n" in said
    found = rows(tmp_path / "z.csv")
    z = np.array([float(row["z"]) for row in found])
    np.testing.assert_allclose(z[[0, 1, 3]], Z[[0, 1, 3]], atol=0.2 * STEP)
    assert 0.0 <= z[2] <= 0.299
    assert [row["pix2z_flags"] for row in found] == ["0", "0", "32", "0"]
    assert {row["z_err"] for row in found} == {"nan"}
    assert "\nRedshifts tried: 0 to 0.299 (--z-min, --z-max)" in said
    assert run("many.h5", "--z-max", 0.15)[0] == 0
    z = np.array([float(row["z"]) for row in rows(tmp_path / "z.csv")])
    assert ((z >= 0.0) & (z <= 0.15)).all()


@pytest.mark.parametrize(("option", "value"), [("--z-max", 0.4), ("--z-min", -0.1)])
def test_redshifts_that_the_network_has_not_are_refused(run, tmp_path, option, value):
    write_many(tmp_path / "many.h5", search=Search(0.0, 0.25, n_templates=3, n_pixels=2000))
    words = "expected a redshift within redshift_range of the file, 0 to 0.25: its network has no"
    one_line(run("many.h5", option, value), f"error: many.h5: {option} {value}: {words}")


def test_the_search_of_the_file_is_taken_and_kcorrects_has_its_own(run, tmp_path):
    """A polynomial of degree 6 and means over four pixels fit other redshifts a little worse."""
    write_many(tmp_path / "many.h5", search=Search(0.0, 0.4, degree=6, n_pixels=500, n_templates=3))
    assert run("many.h5")[0] == 0
    search = Search(0.0, 0.4, degree=6)
    flux = noisy(Z).astype(np.float32).reshape(4, 500, 4).mean(axis=2)
    wavelength = np.exp(np.log(WAVELENGTH).reshape(500, 4).mean(axis=1))
    ivar = np.full(flux.shape, SIGMA**-2)
    expected = fit_redshifts(wavelength, flux, ivar, templates(non_negative=False), search)
    found = rows(tmp_path / "z.csv")
    np.testing.assert_allclose([float(row["z"]) for row in found], expected.z, atol=2e-6)
    chi2 = expected.chi2 / expected.n_dof
    np.testing.assert_allclose([float(row["reduced_chi2"]) for row in found], chi2, rtol=1e-3)
    assert run("many.h5", "--templates", "kcorrect")[0] == 0
    z = [float(row["z"]) for row in rows(tmp_path / "z.csv")]
    assert all(0.0 <= value <= 0.4 for value in z)


def test_a_spectrum_in_air_has_the_redshift_of_the_same_in_vacuum(run, tmp_path):
    write_sdss(tmp_path / "air.fits", air=True)
    write_sdss(tmp_path / "vacuum.fits")
    assert run("vacuum.fits", "air.fits")[0] == 0
    vacuum, air = (float(row["z"]) for row in rows(tmp_path / "z.csv"))
    assert air == pytest.approx(vacuum, abs=5e-6)  # 3e-4 where air is taken for vacuum


def test_a_spectrum_without_good_pixels_is_a_row_with_its_flag(run, tmp_path):
    write_sdss(tmp_path / "blank.fits", ivar=np.zeros(len(WAVELENGTH)))
    write_sdss(tmp_path / "good.fits")
    code, _, errors = run("blank.fits", "good.fits")
    assert (code, errors) == (0, "")
    blank, good = rows(tmp_path / "z.csv")
    assert (blank["z"], blank["z_err"], blank["pix2z_flags"]) == ("nan", "nan", "3")
    assert float(good["z"]) == pytest.approx(0.15, abs=3 * STEP)  # these templates are not its own


def test_bad_files_get_a_line_each_and_the_others_their_rows(run, tmp_path):
    write_sdss(tmp_path / "good.fits")
    (tmp_path / "page.fits").write_text("<html>404</html>")
    (tmp_path / "empty.fits").touch()
    (tmp_path / "cut.fits").write_bytes((tmp_path / "good.fits").read_bytes()[:20_000])
    write_many(tmp_path / "many.h5")
    whole = (tmp_path / "many.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    fits.PrimaryHDU(np.ones((4, 4))).writeto(tmp_path / "image.fits")
    bad = ["page.fits", "empty.fits", "cut.fits", "cut.h5", "image.fits", "absent.fits", "."]
    code, said, errors = run(*bad[:3], "good.fits", *bad[3:], "many.h5")
    assert code == 2
    lines = errors.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == bad
    assert all(line.startswith("error: ") for line in lines)
    assert [row["file"] for row in rows(tmp_path / "z.csv")] == ["good.fits", *["many.h5"] * 4]
    assert said.startswith("5 spectra of 2 files")


def test_where_no_file_is_read_nothing_is_written_and_an_old_table_stays(run, tmp_path):
    (tmp_path / "page.fits").write_text("<html>404</html>")
    assert run("page.fits", out="new.csv")[0] == 2
    (tmp_path / "old.csv").write_text("old")
    assert run("page.fits", out="old.csv")[:2] == (2, "")
    assert (tmp_path / "old.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.csv", "page.fits"]


@pytest.mark.parametrize(
    ("options", "out", "said"),
    [
        ((), "no/way.csv", "way.csv: cannot be written"),
        (("--z-min", 0.5, "--z-max", 0.1), "z.csv", "received 0.5, 0.1"),
        (("--z-max", "inf"), "z.csv", "--z-min, --z-max: expected"),
        (("--coarse", 1000), "z.csv", "many.h5: --coarse: expected 16000 pixels or more"),
    ],
)
def test_options_that_make_no_sense_are_one_line(run, tmp_path, options, out, said):
    write_many(tmp_path / "many.h5")
    (tmp_path / "no").write_text("a file, no folder")
    one_line(run("many.h5", *options, out=out), said)
    assert not (tmp_path / "z.csv").exists()


def test_an_input_is_not_overwritten(run, tmp_path):
    write_many(tmp_path / "many.csv")
    before = (tmp_path / "many.csv").read_bytes()
    code, _, errors = run("many.csv", out="./many.csv")
    assert (code, errors) == (2, "error: many.csv: is the input itself; expected another name\n")
    assert (tmp_path / "many.csv").read_bytes() == before


def test_the_help_tells_the_bits(run):
    code, said, _ = run("--help")
    assert code == 0
    for bit in FIT_FLAG_MEANINGS:
        assert f" {int(bit)}  " in said


def test_it_starts_without_tensorflow(tmp_path):
    write_sdss(tmp_path / "good.fits")
    script = (
        "import sys\n"
        "from pix2z import cli\n"
        "sys.argv = ['pix2z', 'redshift', 'good.fits', '--out', 'z.csv']\n"
        "try:\n    cli.main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "assert not {'tensorflow', 'keras', 'mlflow', 'optuna', 'galsim'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
