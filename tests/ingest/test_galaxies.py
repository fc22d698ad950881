"""Raw files become galaxies.h5: good rows unchanged, bad ones by reason, a bad file in one line."""

import hashlib
import json
import tracemalloc

import h5py
import numpy as np
import pytest

from pix2z.dataset.photometry import aperture_photometry
from pix2z.dataset.store import COLUMNS, open_galaxies
from pix2z.errors import InputError
from pix2z.ingest.checks import FLAG_MASKED, FLAG_NO_FLUX


def count(report, beginning):
    """Bad rows of the one reason that begins so."""
    (bad_rows,) = [bad for reason, bad in report["bad"].items() if reason.startswith(beginning)]
    return bad_rows


def no_output(tmp_path):
    return [path.name for path in tmp_path.iterdir() if path.name not in ("raw.h5", "many")] == []


def test_good_rows_arrive_unchanged(raw, write_raw, run_ingest):
    path, report = run_ingest(write_raw(raw))
    stamps = raw["images"].transpose(0, 2, 3, 1)
    with open_galaxies(path) as galaxies:
        np.testing.assert_array_equal(galaxies.images(np.arange(50)), stamps)
        for name, key in {
            "specz_redshift": "specz_redshift",
            "specz_redshift_err": "specz_redshift_err",
            "object_id": "ObjID",
            "group_id": "truth/parent",
            "moved": "truth/moved",
            "seeing": "truth/psf_fwhm",
            "ra": "ra",
            "dec": "dec",
            "ebv": "e_bv",
        }.items():
            np.testing.assert_array_equal(galaxies.column(name), raw[key], err_msg=name)
            assert galaxies.column(name).dtype == COLUMNS[name]
        np.testing.assert_array_equal(galaxies.column("row_origin"), np.arange(50))
        flux = aperture_photometry(stamps)[0][:, -1, 2]
        np.testing.assert_allclose(galaxies.column("mag_r"), 22.5 - 2.5 * np.log10(flux), rtol=1e-6)
        assert galaxies.attribute("bands") == "ugriz"
        assert galaxies.attribute("source") == "a test"
    assert (report["n_good"], report["n_bad"], report["n_moved"]) == (50, 0, 10)
    assert report["n_groups"] == 40


def test_bytes_depend_on_neither_time_nor_chunking(raw, write_raw, run_ingest):
    source = write_raw(raw)
    one, report = run_ingest(source, chunk_rows=7)
    other, same_report = run_ingest(source, name="again.h5", chunk_rows=50)
    assert one.read_bytes() == other.read_bytes()
    assert report == same_report


def test_memory_is_that_of_a_chunk_not_of_the_files(raw, write_raw, run_ingest):
    rng = np.random.default_rng(3)
    for number in range(8):  # 16 MB in all
        noise = rng.normal(0, 0.01, (100, 5, 32, 32)).astype(np.float32)
        content = {key: np.concatenate([values] * 2) for key, values in raw.items()}
        content |= {"images": content["images"] + noise, "ObjID": 100 * number + np.arange(100)}
        folder = write_raw(content, name=f"many/{number}.h5").parent
    tracemalloc.start()
    _, report = run_ingest(folder, chunk_rows=16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report["n_good"] == 800
    assert peak < 8e6


def test_a_bad_row_is_left_out_and_listed_for_its_first_reason(raw, write_raw, run_ingest):
    raw["specz_redshift"][7] = 0.31
    raw["specz_redshift_err"][7] = -1  # another reason, which comes after
    raw["dec"][9] = 90.5
    path, report = run_ingest(write_raw(raw), pdf_range=(0.0, 0.305))
    assert count(report, "redshift beyond the PDF grid [0, 0.305)") == {"count": 1, "rows": [7]}
    assert count(report, "position is not on the sky") == {"count": 1, "rows": [9]}
    assert report["n_bad"] == sum(bad["count"] for bad in report["bad"].values()) == 2
    assert report["limits"] == {"redshift": [0.0, 0.4], "pdf_grid": [0.0, 0.305]}
    with open_galaxies(path) as galaxies:
        rows = galaxies.column("row_origin")
    np.testing.assert_array_equal(rows, np.delete(np.arange(50), [7, 9]))


def test_bad_pixels_are_left_out_masked_ones_kept(raw, write_raw, run_ingest):
    raw["images"][3, 1, 5, 5] = np.inf
    raw["images"][2, 1, 5, 5] = -3e38
    raw["images"][4] = np.nan
    raw["images"][5] = 0.0
    raw["images"][6, :, :, 20:] = np.nan
    path, report = run_ingest(write_raw(raw))
    assert count(report, "a pixel is infinite or beyond 1e+10 nanomaggies")["rows"] == [2, 3]
    assert count(report, "all bands are blank")["rows"] == [4, 5]
    with open_galaxies(path) as galaxies:
        row = int(np.flatnonzero(galaxies.column("row_origin") == 6)[0])
        assert galaxies.column("flags", [row])[0] == FLAG_MASKED
        assert np.isnan(galaxies.images([row])[0, :, 20:, :]).all()
    assert report["good_with"]["masked pixels"] == 1


def test_absent_band_is_all_nan(raw, write_raw, run_ingest):
    raw["images"][2, 2] = 0.0
    path, report = run_ingest(write_raw(raw))
    with open_galaxies(path) as galaxies:
        stamp = galaxies.images([2])[0]
        assert np.isnan(stamp[..., 2]).all()
        assert not np.isnan(stamp[..., [0, 1, 3, 4]]).any()
        assert galaxies.column("flags")[2] == (1 << 2) | FLAG_NO_FLUX
        assert np.isnan(galaxies.column("mag_r")[2])
    assert report["good_with"]["band r absent"] == 1


def test_a_copy_of_pixels_is_caught_where_there_are_no_ids(raw, write_raw, run_ingest):
    bare = {key: raw[key] for key in ("images", "specz_redshift", "specz_redshift_err")}
    bare["images"][30] = bare["images"][12]
    path, report = run_ingest(write_raw(bare))
    assert count(report, "duplicate: same pixels") == {"count": 1, "rows": [30]}
    assert report["duplicates_searched_by"] == ["pixels"]
    with open_galaxies(path) as galaxies:
        kept = np.delete(np.arange(50), 30)
        np.testing.assert_array_equal(galaxies.column("object_id"), kept)
        np.testing.assert_array_equal(galaxies.column("group_id"), kept)


def test_a_bad_row_does_not_displace_its_good_duplicate(raw, write_raw, run_ingest):
    raw["ObjID"][20] = raw["ObjID"][8]
    raw["specz_redshift"][8] = np.nan
    _, report = run_ingest(write_raw(raw))
    assert report["n_bad"] == 1
    assert count(report, "duplicate: object id")["count"] == 0


def test_duplicates_within_and_between_files_are_found(raw, write_raw, run_ingest):
    raw["ObjID"][41] = raw["ObjID"][3]  # an id
    # Parent 5 (rows 5 and 45) lies 1.5 arcsec from parent 4 (rows 4 and 44).
    raw["ra"][[5, 45]] = raw["ra"][4] + 1.5 / 3600
    raw["truth/parent"][30] = 99  # a copy of pixels that claims another parent
    raw["images"][30] = raw["images"][12]
    for name, rows in {"a": slice(20), "b": slice(20, 50)}.items():
        part = {key: values[rows] for key, values in raw.items()}
        folder = write_raw(part, name=f"many/{name}.h5").parent
    path, report = run_ingest(folder)
    single_path, single = run_ingest(write_raw(raw), name="single.h5")
    assert count(report, "duplicate: object id") == {"count": 1, "rows": [41]}
    assert count(report, "duplicate: within 2 arcsec") == {"count": 2, "rows": [5, 45]}
    assert count(report, "duplicate: same pixels") == {"count": 1, "rows": [30]}
    assert report["bad"] == single["bad"]
    listed = [(file["name"], file["rows"]) for file in report["raw"]["files"]]
    assert listed == [("a.h5", 20), ("b.h5", 30)]
    for file in report["raw"]["files"]:
        assert file["sha256"] == hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest()
    with open_galaxies(path) as galaxies, open_galaxies(single_path) as expected:
        assert galaxies.attribute("source_sha256") == report["raw"]["sha256"]
        rows = np.arange(len(expected))
        np.testing.assert_array_equal(galaxies.images(rows), expected.images(rows))
        np.testing.assert_array_equal(galaxies.column("group_id"), expected.column("group_id"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.pop("specz_redshift"), "no redshifts.*'specz_redshift' is missing"),
        (lambda raw: raw.update(specz_redshift=np.full(50, np.nan)), "no good row among 50"),
        (
            lambda raw: raw.update(ra=np.linspace(0, 1e-5, 50), dec=np.zeros(50)),
            r"raw\.h5: ra, dec: \d+ pairs of 50 different positions",
        ),
    ],
)
def test_a_bad_file_stops_with_one_line_and_no_output(
    raw, write_raw, run_ingest, tmp_path, change, words
):
    change(raw)
    with pytest.raises(InputError, match=words) as caught:
        run_ingest(write_raw(raw))
    assert "\n" not in str(caught.value)
    assert "raw.h5" in str(caught.value)
    assert no_output(tmp_path)


def test_damaged_pixels_stop_with_one_line_and_the_earlier_output_is_left_alone(
    raw, write_raw, run_ingest, tmp_path
):
    output, _ = run_ingest(write_raw(raw))
    before = output.read_bytes()
    path = tmp_path / "raw.h5"
    with h5py.File(path, "a") as file:
        del file["images"]
        options = {"compression": "gzip", "chunks": (5, 5, 32, 32)}
        file.create_dataset("images", data=raw["images"], **options)
        at = file["images"].id.get_chunk_info(8).byte_offset
    damaged = bytearray(path.read_bytes())
    damaged[at : at + 200] = bytes(200)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="images: rows 0 to 50: cannot be read"):
        run_ingest(path)
    assert output.read_bytes() == before
    output.unlink()
    assert no_output(tmp_path)


def test_the_report_says_what_was_read_and_assumed(raw, write_raw, run_ingest):
    path = write_raw(raw)
    _, report = run_ingest(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert report["raw"] == {
        "name": "raw.h5",
        "layout": "sdss32",
        "source": "a test",
        "sha256": sha256,
        "files": [{"name": "raw.h5", "rows": 50, "sha256": sha256}],
        "pixels": {
            "axes": "bands first, moved last",
            "bands": "read as u g r i z",
            "unit": "assumed nanomaggy: the file names no unit",
            "pixel scale": "0.396 arcsec, as it is",
            "crop": "none",
        },
    }
    assert report["photometry"] == {"checked": True, "problems": []}
    assert report["columns_from"]["z_spec"] == "specz_redshift"
    json.dumps(report, allow_nan=False)


def test_implausible_images_are_refused_in_one_line_with_the_way_on(
    raw, write_raw, run_ingest, tmp_path, caplog
):
    raw["images"] = raw["images"][:, ::-1] * 200
    path = write_raw(raw)
    with pytest.raises(InputError) as caught:
        run_ingest(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: images: ")
    assert "look like counts" in message
    assert message.endswith("set ingest.check_photometry: false")
    assert "\n" not in message
    assert no_output(tmp_path)
    _, report = run_ingest(path, check_photometry=False)
    assert not report["photometry"]["checked"]
    assert all(problem in message for problem in report["photometry"]["problems"])
    assert "look like counts" in caplog.text
    assert report["n_good"] == 50


def test_an_impossible_ebv_is_unknown_and_counted(raw, write_raw, run_ingest, caplog):
    """Once, one in a hundred of them stopped a fine-tuning."""
    expected = raw["e_bv"].copy()
    raw["e_bv"][:5] = (99, -99, np.inf, 3.01, np.nan)
    expected[:5] = np.nan
    path, report = run_ingest(write_raw(raw))
    with open_galaxies(path) as galaxies:
        np.testing.assert_array_equal(galaxies.column("ebv"), expected)
    assert report["good_with"]["impossible E(B-V)"] == 4
    assert "4 of 50 rows: E(B-V) is negative or above 3 mag" in caplog.text


def test_spectra_that_are_not_trusted_are_left_out_by_reason(raw, write_raw, run_ingest):
    n = len(raw["ObjID"])
    raw["zwarning"] = np.zeros(n, np.int32)
    raw["zwarning"][[1, 2, 4]] = (16, 4, 8)
    raw["class"] = np.full(n, b"GALAXY", "S8")
    raw["class"][[2, 3]] = (b"QSO", b"STAR")
    path = write_raw(raw)
    _, report = run_ingest(path, z_warnings=(0, 16), classes=("GALAXY",))
    assert count(report, "ZWARNING is not 0 or 16")["rows"] == [2, 4]
    assert count(report, "spectral class is not GALAXY")["rows"] == [3]
    assert run_ingest(path)[1]["n_good"] == n


def test_parents_without_a_word_on_moved_copies_are_refused(raw, write_raw, run_ingest):
    del raw["truth/moved"]
    with pytest.raises(InputError, match="has 'truth/parent' and lacks 'truth/moved'"):
        run_ingest(write_raw(raw))
