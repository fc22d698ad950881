"""`pix2z inspect`: what it says of files that fit, of files that do not, and of pictures."""

import json
import re
import shlex
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image

from pix2z.cli.reading import Given, open_images, read_mapping
from pix2z.config.ingest import Hdf5Mapping, IngestConfig
from pix2z.dataset.store import open_galaxies
from pix2z.errors import ParamsError
from pix2z.imaging import SKY_SIGMA
from pix2z.ingest.galaxies import ingest
from tests import conftest
from tests.cli.conftest import write_hdf5

N = 100
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def galaxies(sample_path):
    """Stamps and columns of the first hundred artificial galaxies."""
    with open_galaxies(sample_path) as opened:
        rows = np.arange(N)
        names = ("specz_redshift", "object_id", "ebv")
        return {"stamps": opened.images(rows)} | {name: opened.column(name, rows) for name in names}


@pytest.fixture
def write(tmp_path):
    def write_file(keys, name="raw.h5"):
        write_hdf5(tmp_path / name, keys)
        return tmp_path / name

    return write_file


@pytest.fixture
def sdss32_file(galaxies, write):
    keys = {
        "images": galaxies["stamps"].transpose(0, 3, 1, 2),
        "specz_redshift": galaxies["specz_redshift"],
        "ObjID": galaxies["object_id"],
        "e_bv": galaxies["ebv"],
    }
    return write(keys)


@pytest.fixture
def user_file(galaxies, write):
    keys = {
        "pix/stamps": galaxies["stamps"] * np.float32(3.631),
        "cat/Z": galaxies["specz_redshift"],
        "cat/OBJID": galaxies["object_id"],
    }
    path = write(keys, name="user.h5")
    with h5py.File(path, "r+") as file:
        file["pix/stamps"].attrs["unit"] = "uJy"
    return path


@pytest.fixture
def inspect(pix2z_in, tmp_path):
    """Return a function that runs `pix2z inspect` in a folder without params.yaml."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return lambda *arguments: pix2z_in(folder, "inspect", *arguments)


def params_of(said):
    return yaml.safe_load(said[said.index("ingest:") :])


def test_a_file_that_fits_is_told_in_plain_lines(inspect, sdss32_file, galaxies):
    code, said, errors = inspect(sdss32_file)
    assert (code, errors) == (0, "")
    assert "layout sdss32, 100 galaxies" in said
    assert "images (100, 5, 32, 32) float32" in said
    z = galaxies["specz_redshift"]
    assert f"{z.min():.4f} to {z.max():.4f}, mean {z.mean():.4f}, sd {z.std():.4f}" in said
    assert "measured on 100 of 100 stamps" in said
    assert "No problem found" in said
    for band, sdss in zip("ugriz", SKY_SIGMA, strict=True):
        (ratio,) = re.findall(rf"^  {band} +\S+ +{sdss:.3g} +(\S+) +none$", said, re.MULTILINE)
        assert float(ratio) == pytest.approx(1, abs=0.1)
    assert all(len(line) <= 80 for line in said.splitlines() if str(sdss32_file) not in line)
    assert "\x1b" not in said
    assert not any(line != line.rstrip() for line in said.splitlines())


def test_the_params_lines_are_what_ingest_takes(inspect, sdss32_file, user_file, tmp_path):
    for path, options in (
        (sdss32_file, ()),
        (user_file, ("-m", "images=pix/stamps", "-m", "redshift=cat/Z")),
    ):
        _, said, _ = inspect(path, *options)
        section = IngestConfig.model_validate(params_of(said)["ingest"])
        report = ingest(
            section.source,
            tmp_path / "galaxies.h5",
            layout=section.layout,
            z_min=section.z_min,
            z_max=section.z_max,
            duplicate_radius_arcsec=section.duplicate_radius_arcsec,
            mapping=section.hdf5,
        )
        assert report["n_good"] > 90


def test_json_holds_the_same(inspect, sdss32_file, user_file):
    held = json.loads(inspect(sdss32_file, "--json")[1])
    assert (held["fits"], held["layout"], held["n_rows"]) == (True, "sdss32", N)
    assert held["params"]["ingest"]["source"] == str(sdss32_file)
    held = json.loads(inspect(user_file, "--json")[1])
    assert (held["fits"], held["suggested"]["images"]) == (False, "pix/stamps")


def test_problems_are_listed(inspect, galaxies, write):
    z_spec = galaxies["specz_redshift"].copy()
    z_spec[:3] = [np.nan, 0.7, -1]
    keys = {
        "images": galaxies["stamps"][..., ::-1].transpose(0, 3, 1, 2),
        "specz_redshift": z_spec,
        "ObjID": np.maximum(galaxies["object_id"], galaxies["object_id"][4]),
    }
    code, said, _ = inspect(write(keys))
    assert code == 0
    assert "the band order contradicts galaxy colours" in said
    assert "Next: " not in said  # predict would refuse it
    assert "1 of 100 rows: redshift is not finite" in said
    assert "2 of 100 rows: redshift outside [0, 0.4)" in said
    assert "2 of 100 rows: object id seen before" in said  # rows 3 and 4; 0 to 2 are bad already


@pytest.mark.parametrize("times", [6, 0.1])
def test_the_noise_of_another_survey_is_named_with_figures_and_refuses_nothing(
    inspect, write, galaxies, monkeypatch, times
):
    monkeypatch.setattr(conftest, "SKY", times * np.array(SKY_SIGMA, np.float32))
    stamps = conftest.artificial_stamps(galaxies["specz_redshift"], seed=3)
    path = write({"images": stamps.transpose(0, 3, 1, 2)})
    code, said, errors = inspect(path)
    assert (code, errors) == (0, "")
    assert "No problem found" not in said
    assert "Next: pix2z predict" in said
    found = re.search(
        r"the sky noise in u g r i z is (\S+), (\S+), (\S+), (\S+), (\S+) times that of SDSS, "
        r"whose noise the models are trained on \(r: (\S+) for 0.027 nanomaggies per pixel\): "
        r"fine-tune one on such galaxies with redshifts \(pix2z finetune\)",
        " ".join(said.split()),
    )
    *ratios, r_noise = map(float, found.groups())
    np.testing.assert_allclose(ratios, times, rtol=0.1)
    np.testing.assert_allclose(r_noise, times * 0.027, rtol=0.1)
    given = Given.read(path, layout=None, params=None, mapping=None, ebv=None, check=True)
    with open_images(given, verb="predicts") as survey:
        assert len(survey.table) == N


def test_what_ingest_cannot_or_need_not_read_has_no_params_lines(
    inspect, galaxies, write, sample_path
):
    code, said, _ = inspect(write({"images": galaxies["stamps"].transpose(0, 3, 1, 2)}))
    assert code == 0
    assert "redshift       none in the file" in said
    assert "nothing to train on" in said
    assert "ingest:" not in said
    code, said, _ = inspect(sample_path)
    assert code == 0
    assert "layout galaxies, 800 galaxies" in said
    assert "This is what ingest writes" in said
    code, said, _ = inspect(write({"spectra": np.zeros((10, 4000))}))
    assert code == 0
    assert "spectra  (10, 4000)  float64" in said
    assert "None is known as stamps" in said


def test_a_file_that_fits_no_layout_is_listed_and_the_suggestion_works(
    inspect, user_file, galaxies
):
    code, said, errors = inspect(user_file)
    assert (code, errors) == (0, "")
    assert said.startswith("No layout fits: ")
    assert "pix/stamps  (100, 32, 32, 5)  float32  unit uJy" in said
    lines, command = said.split("To try it:")
    suggested = params_of(lines)["ingest"]
    assert suggested["layout"] == "hdf5"
    assert suggested["hdf5"]["object_id"] == "cat/OBJID"
    code, said, _ = inspect(*shlex.split(command)[2:])
    assert code == 0
    assert "layout hdf5, 100 galaxies" in said
    z = galaxies["specz_redshift"]
    assert f"{z.min():.4f} to {z.max():.4f}" in said
    assert "No problem found" in said


def test_the_picture_is_a_png(inspect, write, sdss32_file, tmp_path):
    plot = tmp_path / "p" / "stamps.png"
    code, said, errors = inspect(sdss32_file, "--plot", plot)
    assert code == 0, errors
    next_step = (
        f"12 galaxies are drawn in {plot}. Next: pix2z predict {sdss32_file} --out z.parquet"
    )
    assert said.endswith(f"\n{next_step}\n")
    options = ("-m", "unit=nmgy", "--layout", "sdss32")
    said = inspect(sdss32_file, *options)[1]
    predict = f"pix2z predict {sdss32_file} {' '.join(options)} --out z.parquet"
    assert said.endswith(f"\n\nNext: {predict}\n")
    _, said, errors = inspect(sdss32_file, "--plot", plot, "--json")
    assert json.loads(said)["fits"]
    assert next_step in errors
    with Image.open(tmp_path / "p" / "stamps.png") as image:
        assert image.format == "PNG"
        assert image.width > 800
    path = write({"images": np.full((5, 5, 32, 32), np.nan, np.float32)}, name="blank.h5")
    code, said, errors = inspect(path, "--plot", tmp_path / "stamps.png")
    assert code == 2
    assert "5 stamps blank in all bands" in said
    assert "nothing to draw" in errors


def test_entries_come_from_params_yaml_and_then_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_mapping(None, ["unit=nJy", "axes=NCHW"]) == Hdf5Mapping(unit="nJy", axes="NCHW")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["ingest"]["hdf5"] |= {"images": "pix", "zero_point": 31.4, "redshift": "z"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert read_mapping(None, ["redshift=null"]) == Hdf5Mapping(images="pix", zero_point=31.4)
    # the unit of the command line takes the place of the file's zero point
    assert read_mapping(None, ["unit=nJy"]) == Hdf5Mapping(images="pix", unit="nJy", redshift="z")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["bands=rr"], r"option -m: hdf5.bands: expected letters of ugriz"),
        (["unit=nJy", "zero_point=31.4"], "expected unit or zero_point, not both"),
        (["seing=fwhm"], "option -m: expected one of images, .*seeing, .*; received 'seing'"),
        (["images"], "option -m: expected KEY=VALUE; received 'images'"),
        (["unit=nmgy", "unit=uJy"], "option -m: expected one unit; received nmgy and uJy"),
    ],
)
def test_wrong_entries_are_named(entries, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match=words):
        read_mapping(None, entries)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("cube.fits", (), ["layout fits, 40 galaxies", "nJy, as BUNIT says: times 0.000275406"]),
        (
            "cutouts",
            ("-m", "ebv=EBV"),
            ["layout fits, 40 galaxies", "read as z i r g u", "and 35 more"],
        ),
        ("mine.npz", ("-m", "images=stamps", "-m", "unit=nmgy"), ["layout npz, 40 galaxies"]),
        ("arrays/stamps.npy", ("-m", "unit=nmgy"), ["layout npy, 40 galaxies"]),
        (
            "sdss32.h5",
            ("-m", "unit=uJy", "-m", "bands=zirgu"),
            ["layout sdss32, 40 galaxies", "uJy: times 0.275406", "read as z i r g u"],
        ),
        ("mine.npz", (), ["No layout fits: ", "--layout npz -m unit=nanomaggy -m images=stamps"]),
        ("arrays/stamps.npy", (), ["No layout fits: ", "stamps  (40, 5, 32, 32)"]),
    ],
)
def test_what_is_read_in_every_layout_is_told(images_folder, pix2z_in, name, options, words):
    code, said, errors = pix2z_in(images_folder, "inspect", name, *options)
    assert (code, errors) == (0, "")
    for one in words:
        assert one in said


def test_what_a_file_says_and_what_of_it_is_not_used_is_shown(inspect, sdss32_file, tmp_path):
    path = tmp_path / "said.h5"
    shutil.copy(sdss32_file, path)
    with h5py.File(path, "a") as file:
        file["images"][...] = file["images"][...][:, ::-1] * 3.631 * 4
        file["images"].attrs.update(BUNIT="uJy", scale_factor=0.25, bands="zirgu", _FillValue=-99.0)
        file.attrs["telescope"] = "2.5 m"
        for role in ("unit", "bands"):
            file.attrs.pop(role, None)
    code, said, errors = inspect(path)
    assert (code, errors) == (0, "")
    shown = " ".join(said.split())
    for words in (
        "bands read as z i r g u, as attribute 'bands' of the images says",
        "unit uJy, as attribute 'BUNIT' of the images says: times 0.275406 to nanomaggies",
        "stored numbers times 0.25, as attribute 'scale_factor' of the images says",
        "masked pixels of -99, as attribute '_FillValue' of the images says",
        "not used attribute 'telescope' of the file",
        "No problem found",
    ):
        assert words in shown


def test_positions_in_hours_and_tenfold_fluxes_are_problems(inspect, sdss32_file, tmp_path):
    path = tmp_path / "wrong.h5"
    shutil.copy(sdss32_file, path)
    with h5py.File(path, "a") as file:
        file["images"][...] *= 10
        file["ra"] = np.linspace(0, 23.9, N)
        file["dec"] = np.linspace(70, -10, N)
    shown = " ".join(inspect(path)[1].split())
    assert "these look multiplied by a number, or in another unit" in shown
    assert "positions (ra, dec): right ascension from 0" in shown
