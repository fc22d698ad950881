"""`pix2z spectrum` on every layout, and what it says where something is wrong."""

import resource
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from matplotlib.image import imread

from pix2z import cli
from pix2z.config.networks import HybridConfig
from pix2z.config.spectrum import SpectrumConfig
from pix2z.files import file_digest, read_json, write_json
from pix2z.network.saved_json import seal
from pix2z.spectra.spectrum_files import open_spectra
from pix2z.spectrum_network.architectures import ShiftGrid
from pix2z.spectrum_network.estimator import (
    ErrorBand,
    SpectrumEstimator,
    load_spectrum_estimator,
    save_spectrum_estimator,
)
from pix2z.spectrum_network.recipes import fresh_spectrum_model
from tests.cli.test_predict import LAYOUTS, N, write_layouts

ROOT = Path(__file__).parents[2]
BANDS = 3  # ranges of wavelength of the error band: 120 pixels


def save_fresh(folder: Path, *, decoder: str) -> None:
    """Save a network that saw no data, with small random rows of its basis."""
    settings = SpectrumConfig.read(ROOT / "params.yaml")
    grid = settings.wavelength.model_copy(update={"n": 120})
    search = settings.templates.model_copy(update={"n_pixels": 40})
    settings = settings.model_copy(
        update={"wavelength": grid, "n_templates": 3, "templates": search}
    )
    encoder = HybridConfig.read(ROOT / "params.yaml").model_copy(
        update={"trunk_filters": (2,), "dense_units": (4,)}
    )
    shifts = ShiftGrid(grid.grid, settings.stride, 0.0, 0.4)
    keras.utils.set_random_seed(1)
    model = fresh_spectrum_model(decoder, settings, encoder, shifts)
    if decoder == "physics":
        shape = model.get_layer("basis").get_weights()[0].shape
        basis = np.random.default_rng(2).normal(1.0, 0.1, shape)
        model.get_layer("basis").set_weights([basis])
    estimator = SpectrumEstimator(
        decoder=decoder,
        model=model,
        shifts=shifts,
        band=ErrorBand(np.full(BANDS, 0.1), np.full(BANDS, 1.0), np.full(BANDS, 2.0)),
        rest_wavelength=np.geomspace(2500.0, 9500.0, 300),
        rest_basis=np.random.default_rng(3).normal(1.0, 0.2, (3, 300)),
        record={"arm": folder.name, "targets": "parent"},
    )
    save_spectrum_estimator(folder, estimator, settings=settings, encoder=encoder)


@pytest.fixture(scope="module")
def place(tmp_path_factory, sample_path):
    """A folder with spectrum/models/{full,plain}, and the same galaxies in every layout."""
    folder = tmp_path_factory.mktemp("place")
    for decoder, arm in (("physics", "full"), ("plain", "plain")):
        save_fresh(folder / "spectrum/models" / arm, decoder=decoder)
    write_layouts(folder, sample_path)
    return folder


@pytest.fixture
def run(place, monkeypatch, capsys, tmp_path):
    """Return a function that runs `pix2z spectrum` in the folder: exit code, stdout, stderr."""

    def call(file, *options, out="s.hdf5", model="full"):
        monkeypatch.chdir(place)
        arguments = ["spectrum", str(file), "--model", model, "--out", str(tmp_path / out)]
        monkeypatch.setattr("sys.argv", ["pix2z", *arguments, *options])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        return code, *capsys.readouterr()

    return call


def read(path):
    with h5py.File(path, "r") as file:
        return {key: file[key][...] for key in file if key != "basis"}, dict(file.attrs)


@pytest.fixture(scope="module")
def galaxies(place):
    with h5py.File(place / "galaxies.h5", "r") as file:
        return {name: file[name][...] for name in ("images", "ebv", "object_id")}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_same_galaxies_get_the_same_spectra_in_every_layout(
    run, place, galaxies, tmp_path, name
):
    code, said, errors = run(name, *LAYOUTS[name])
    assert code == 0, errors
    found, attributes = read(tmp_path / "s.hdf5")
    network = load_spectrum_estimator(place / "spectrum/models/full")
    direct = network.reconstruct(galaxies["images"], galaxies["ebv"])
    relative = found["flux"] / found["mean_flux_r"][:, None]
    np.testing.assert_allclose(relative, direct.flux, rtol=1e-3, atol=1e-4)
    assert len(np.unique(relative[:, 60])) == N  # else any order of rows would pass
    np.testing.assert_array_equal(found["object_id"], galaxies["object_id"])
    np.testing.assert_allclose(found["ebv"], galaxies["ebv"], rtol=1e-6)
    np.testing.assert_array_equal(found["flags"], np.where(np.arange(N) == 3, 2, 0))
    np.testing.assert_allclose(found["flux_error95"], 2 * found["flux_error"], rtol=1e-5)
    assert attributes["model_digest"] == network.digest
    assert attributes["arm"] == "full"
    assert attributes["input"] == name
    assert file_digest(place / name) in attributes["input_sha256"]
    assert said.startswith("40 galaxies in ")
    assert said.count("\n") == 1
    assert "1 flagged (pixels are masked or impossible: 1); spectra in " in said


def test_the_file_is_one_that_redshifts_are_read_from(run, tmp_path, monkeypatch, capsys):
    assert run("seed.h5")[0] == 0
    with open_spectra(tmp_path / "s.hdf5") as spectra:
        assert len(spectra) == N
        assert spectra.unit == "1e-17 erg / (s cm2 Angstrom)"
        assert spectra.basis.flux.shape == (3, 300)
    arguments = ["redshift", str(tmp_path / "s.hdf5"), "--out", str(tmp_path / "z.csv")]
    monkeypatch.setattr("sys.argv", ["pix2z", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert (tmp_path / "z.csv").read_text().count("\n") == N + 1


def test_a_plain_network_has_spectra_but_no_redshifts(run, tmp_path):
    code, _, errors = run("seed.h5", "--plot", str(tmp_path / "p.png"), model="plain")
    assert code == 0, errors
    found, _ = read(tmp_path / "s.hdf5")
    assert np.isfinite(found["flux"]).all()
    assert np.isnan(found["pix2z_z_median"]).all()
    assert imread(tmp_path / "p.png").std() > 0.05


def test_blank_stamps_have_no_spectrum_and_spoil_no_other(run, place, tmp_path):
    with h5py.File(tmp_path / "odd.h5", "w") as file, h5py.File(place / "seed.h5") as seed:
        images = seed["images"][...]
        images[0], images[1, 2], images[5, 2] = np.nan, np.nan, -1.0
        file["images"], file["e_bv"] = images, seed["e_bv"][...]
        file["e_bv"][7] = np.nan
    assert run("seed.h5", out="whole.hdf5")[0] == 0
    code, said, errors = run(tmp_path / "odd.h5")
    assert code == 0, errors
    found, whole = read(tmp_path / "s.hdf5")[0], read(tmp_path / "whole.hdf5")[0]
    flags = np.zeros(N, int)
    flags[[0, 1, 3, 5, 7]] = [1 + 8, 1 + 16, 2, 16, 4]
    np.testing.assert_array_equal(found["flags"], flags)
    for name in ("flux", "flux_error", "flux_error95", "pix2z_z_median", "mean_flux_r"):
        missing = np.isnan(found[name]).reshape(N, -1)
        assert missing[0].all()
        assert not missing[1:].any()
    kept = np.setdiff1d(np.arange(N), [0, 1, 5, 7])
    np.testing.assert_allclose(found["flux"][kept], whole["flux"][kept], rtol=1e-4)
    assert found["mean_flux_r"][[1, 5]].tolist() == [1, 1]
    assert "every band is blank: 1, the r flux is unknown: 2" in said


def test_extinction_is_taken_out(run, tmp_path):
    """A(r) = 2.751 E(B-V), so that the r flux rises by that many magnitudes."""
    assert run("seed.h5", "--ebv", "0", out="none.hdf5")[0] == 0
    assert run("seed.h5", "--ebv", "0.4")[0] == 0
    none, much = read(tmp_path / "none.hdf5")[0], read(tmp_path / "s.hdf5")[0]
    magnitudes = 2.5 * np.log10(much["mean_flux_r"] / none["mean_flux_r"])
    np.testing.assert_allclose(magnitudes, 2.751 * 0.4, rtol=1e-4)
    np.testing.assert_allclose(much["ebv"], 0.4)


def test_some_galaxies_are_drawn_the_same_for_the_same_seed(run, tmp_path):
    for name, seed in (("a.png", "5"), ("b.png", "5"), ("c.png", "6")):
        code, said, errors = run("seed.h5", "--plot", str(tmp_path / name), "--seed", seed)
        assert code == 0, errors
        assert said.endswith(f", 9 of them in {tmp_path / name}\n")
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b
    assert a != c


def test_lines_are_drawn_at_the_redshift_of_the_file_where_it_has_one(
    run, place, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(
        "pix2z.catalogue.spectrum_figure.plot_reconstructions",
        lambda shown, **_: drawn.extend(shown),
    )
    with h5py.File(tmp_path / "some.h5", "w") as file, h5py.File(place / "seed.h5") as seed:
        file["images"], file["e_bv"] = seed["images"][:2], seed["e_bv"][:2]
        file["specz_redshift"] = np.array([0.123, np.nan], np.float32)
    code, _, errors = run(tmp_path / "some.h5", "--plot", str(tmp_path / "p.png"))
    assert code == 0, errors
    found, _ = read(tmp_path / "s.hdf5")
    expected = [0.123, found["pix2z_z_median"][1]]
    assert [one.z for one in drawn] == pytest.approx(expected, abs=1e-6)


def test_nothing_is_drawn_of_nothing(run, tmp_path):
    with h5py.File(tmp_path / "blank.h5", "w") as file:
        file["images"] = np.full((2, 5, 32, 32), np.nan, np.float32)
    code, said, errors = run(tmp_path / "blank.h5", "--no-check", "--plot", str(tmp_path / "p.png"))
    assert code == 0, errors
    assert said.endswith("; no figure, since no galaxy has a spectrum\n")
    assert not (tmp_path / "p.png").exists()


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("nope.h5", (), "nope.h5: cannot be opened: no such file"),
        ("spectrum/models/full/spectrum.json", (), "cannot be opened: damaged or not HDF5"),
        ("seed.h5", ("--layout", "nersc"), "images"),  # another shape than the layout has
        ("seed.h5", ("--ebv", "dust"), "--ebv: 'dust' is no number, and "),
        ("seed.h5", ("--ebv", "-1"), "--ebv: expected E(B-V) of 0 mag or more, or a key; rec"),
        (
            "seed.h5",
            ("--model", "none"),
            "spectrum model 'none': not found; expected one of full, plain, a folder with",
        ),
        ("seed.h5", ("--model", "models:/pix2z-spectrum@full"), "not found; expected one of full"),
        ("seed.h5", ("--out", "s.csv"), "s.csv: expected a name ending in .hdf5 or .h5"),
        ("seed.h5", ("--plot", "p.pdf"), "p.pdf: expected a name ending in .png"),
        ("seed.h5", ("--out", "seed.h5"), "seed.h5: is the input itself; expected another name"),
        ("seed.h5", ("--out", "seed.h5/s.h5"), "seed.h5/s.h5: cannot be written ("),
        ("hdf5.h5", (), "hdf5.h5: "),  # nothing says where the images are
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(run, place, tmp_path, file, options, words):
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    code, said, errors = run(file, *options)
    assert code == 2
    assert words in errors
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert said == ""
    assert list(tmp_path.iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


def test_a_figure_that_cannot_be_written_leaves_whole_spectra(run, place, tmp_path):
    plot = place / "seed.h5/p.png"  # below a file
    code, said, errors = run("seed.h5", "--plot", str(plot))
    assert (code, said) == (2, "")
    assert errors.startswith(f"error: {plot}: cannot be written (")
    assert errors.count("\n") == 1
    assert read(tmp_path / "s.hdf5")[0]["flux"].shape == (N, 120)


@pytest.mark.parametrize("name", ["weights.weights.h5", "basis.h5", "spectrum.json"])
def test_an_altered_model_is_refused(run, place, tmp_path, name):
    altered = tmp_path / "altered"
    shutil.copytree(place / "spectrum/models/full", altered)
    content = bytearray((altered / name).read_bytes())
    place_of_digit = content.rfind(b"0.4") + 2 if name.endswith("json") else len(content) - 10
    content[place_of_digit] ^= 1
    (altered / name).write_bytes(content)
    code, _, errors = run("seed.h5", model=str(altered))
    assert code == 1  # IntegrityError has a code of its own
    assert "match" in errors
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["altered"]


def test_a_model_of_other_settings_is_one_line(run, place, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(place / "spectrum/models/full", other)
    description = read_json(other / "spectrum.json")
    del description["settings"]["n_templates"]
    description["digest"] = seal(description)
    write_json(other / "spectrum.json", description)
    code, _, errors = run("seed.h5", model=str(other))
    expected = f"error: {other}/spectrum.json: settings.n_templates: field required\n"
    assert (code, errors) == (2, expected)


def test_counts_are_refused_unless_they_are_wanted(run, place, tmp_path):
    with h5py.File(tmp_path / "counts.h5", "w") as file, h5py.File(place / "seed.h5") as seed:
        file["images"] = np.rint(np.nan_to_num(seed["images"][...]) * 213)
    code, _, errors = run(tmp_path / "counts.h5")
    assert code == 2
    assert "(--no-check reconstructs all the same)" in errors
    assert not (tmp_path / "s.hdf5").exists()
    assert run(tmp_path / "counts.h5", "--no-check")[0] == 0


def test_an_output_is_replaced_by_success_only(run, place, tmp_path):
    out = tmp_path / "s.hdf5"
    out.write_bytes(b"earlier")
    with h5py.File(tmp_path / "cut.h5", "w") as file, h5py.File(place / "seed.h5") as seed:
        file.create_dataset("images", data=seed["images"][...], chunks=(8, 5, 32, 32), shuffle=True)
        offset = file["images"].id.get_chunk_info(4).byte_offset
    with (tmp_path / "cut.h5").open("r+b") as file:
        file.truncate(offset)
    code, _, errors = run(tmp_path / "cut.h5", "--no-check")
    assert code == 2
    assert errors.count("\n") == 1
    assert out.read_bytes() == b"earlier"


@pytest.mark.parametrize("limit", [0, 500, 20_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(run, tmp_path, limit):
    """A limit on the size of files stands in for it; Python turns the signal into an OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        code, said, errors = run("seed.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (code, said) == (2, "")
    assert "s.hdf5: cannot be written (" in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
