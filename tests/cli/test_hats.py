"""``pix2z predict --hats``: a table and a HATS catalogue of it."""

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import one_line

pytest.importorskip("hats_import", reason="`make survey` installs HATS")

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # those of others are theirs
]


@pytest.fixture
def run(on_images, tmp_path):
    def call(file, *options, out="z.parquet"):
        return on_images("predict", file, "--hats", tmp_path / "sky", *options, out=out)

    return call


def test_lsdb_opens_the_table(run, tmp_path):
    import lsdb

    code, said, errors = run("galaxies.h5")
    assert code == 0, errors
    sky = tmp_path / "sky"
    assert said.endswith(f"{sky} is a HATS catalogue of it: lsdb.open_catalog('{sky}')\n")
    table = pq.read_table(tmp_path / "z.parquet").to_pandas().set_index("object_id")
    catalogue = lsdb.open_catalog(sky).compute().set_index("object_id")
    assert len(catalogue) == len(table) == 40
    for name in table:
        np.testing.assert_array_equal(catalogue.loc[table.index, name], table[name], name)


REFUSED = {
    "no positions": (
        ("sdss32.h5",),
        "sdss32.h5: a HATS catalogue needs ra and dec of every galaxy, in degrees; 40 of 40 have",
    ),
    "csv": (("galaxies.h5",), "z.csv: expected a name ending in .parquet, of which --hats is made"),
    "columns": (
        ("galaxies.h5", "--columns", "object_id,ra,pix2z_z_best"),
        "--columns: expected dec, too, which --hats needs",
    ),
    "inside": (("galaxies.h5", "--pdf", "sky/z.hdf5"), "expected a folder for the catalogue alone"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_one_line_before_anything_is_written(run, tmp_path, case):
    given, line = REFUSED[case]
    given = [str(tmp_path / part) if part.startswith("sky") else part for part in given]
    one_line(run(*given, out="z.csv" if case == "csv" else "z.parquet"), line)
    assert not list(tmp_path.iterdir())


def test_spectra_are_nested(images_folder, pix2z_in, tmp_path):
    import lsdb

    out, sky = tmp_path / "s.hdf5", tmp_path / "sky"
    code, said, errors = pix2z_in(
        images_folder, "spectrum", "galaxies.h5", "--model", "full", "--out", out, "--hats", sky
    )
    assert code == 0, errors
    assert f"lsdb.open_catalog('{sky}')\n" in said
    assert {path.name for path in tmp_path.iterdir()} == {"s.hdf5", "sky"}
    opened = lsdb.open_catalog(sky)
    assert opened.nested_columns == ["spectrum"]
    catalogue = opened.compute().set_index("object_id")
    with h5py.File(out) as file, h5py.File(images_folder / "galaxies.h5") as galaxies:
        for row in (0, 3, 39):
            galaxy = catalogue.loc[file["object_id"][row]]
            for name in ("wavelength", "flux", "flux_error", "flux_error95"):
                expected = file[name][...] if name == "wavelength" else file[name][row]
                np.testing.assert_allclose(galaxy["spectrum"][name], expected, rtol=1e-6)
            for name in ("pix2z_z_median", "mean_flux_r", "ebv"):
                np.testing.assert_array_equal(galaxy[name], file[name][row])
            assert (galaxy["ra"], galaxy["dec"]) == (galaxies["ra"][row], galaxies["dec"][row])
        properties = opened.hc_structure.catalog_info.extra_dict()
        assert properties["pix2z_model_digest"] == file.attrs["model_digest"]
