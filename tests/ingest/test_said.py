"""What a file says of its pixels and columns is done, or refused by name, whatever the reader."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from pix2z.errors import InputError
from tests.ingest.layout_files import read, write_hdf5

N = 12
EACH = np.array([1.0, 10.0, 1.0, 1.0, 2.5])[:, None, None]
EACH_ZERO_POINT = [22.5, 25.0, 22.5, 22.5, 22.5 + 2.5 * np.log10(2.5)]

ZP_NAMES = [f"zp_{band}" for band in "ugriz"]


@pytest.fixture
def stored(galaxies):
    """(12, 5, 32, 32) nanomaggies, the values that all files below stand for."""
    return galaxies["stamps"].transpose(0, 3, 1, 2)


@pytest.fixture
def write(galaxies, tmp_path):
    """Return what writes images with NERSC's keys, attributes of images and file, and datasets."""

    def write_file(images, of_images=None, of_file=None, **datasets):
        path = tmp_path / "raw.h5"
        with h5py.File(path, "w") as file:
            for key, values in {"images": images, "specz_redshift": galaxies["z"]}.items():
                file[key] = values
            for key, values in datasets.items():
                file[key] = values
            file["images"].attrs.update(of_images or {})
            file.attrs.update(of_file or {})
        return path

    return write_file


UNITS = [
    (3.631, {"BUNIT": "uJy"}, {}),
    (3.631, {"UNITS": np.array([b"uJy"])}, {}),
    (3.631, {"Unit": np.array(["microjansky"], object)}, {}),
    (3631, {}, {"flux_unit": "nJy / pixel"}),
    (1e-9, {"unit": "maggies"}, {}),
    (10, {"zero_point": 25.0}, {}),
    (10, {"MAGZERO": "25.0"}, {"BUNIT": "adu"}),  # beside a zero point counts are no contradiction
    (10, {}, {"ZP": np.float32([25])}),
    (10, {"FLUXMAG0": 1e10}, {}),
    (3.631, {"unit": "uJy", "zero_point": 23.9}, {}),
    (EACH, {"zero_point": EACH_ZERO_POINT}, {}),
    (3.631, {"Flux density units": b"uJy / pixel"}, {}),
    (3.631, {}, {"unit_of_images": np.array([b"uJy pix-1"])}),
    (10, {"photometric_zeropoint": "25.0 mag (AB)"}, {"MAGSYS": "AB", "units": "e-/s"}),
    (10, {}, {"ZPTMAG": 25.0}),
    (EACH, dict(zip(ZP_NAMES, EACH_ZERO_POINT, strict=True)), {}),
    (EACH, {}, {f"SDSS {b} MAGZERO": zp for b, zp in zip("ugriz", EACH_ZERO_POINT, strict=True)}),
]


@pytest.mark.parametrize("given", [{"unit": "1e-3 uJy"}, {"zero_point": 31.4}])
def test_what_is_given_may_say_the_same_in_other_words(write, stored, given):
    images, _ = read(write(stored * 3631, {"unit": "nJy"}), **given)
    np.testing.assert_allclose(images.transpose(0, 3, 1, 2), stored, rtol=1e-3)


@pytest.mark.parametrize(("factor", "of_images", "of_file"), UNITS)
def test_units_and_zero_points_are_converted(write, stored, factor, of_images, of_file):
    images, survey = read(write(stored * factor, of_images, of_file))
    np.testing.assert_allclose(images.transpose(0, 3, 1, 2), stored, rtol=1e-4)
    assert survey.layout == "sdss32"
    assert " says: times " in survey.converted["unit"]


@pytest.mark.parametrize(
    ("change", "attributes", "words"),
    [
        (lambda x: x * 4, {"scale_factor": 0.25}, "times 0.25, as attribute 'scale_factor' of"),
        (lambda x: (x - 3) / 2, {"BSCALE": 2, "BZERO": np.array([3.0])}, "; plus 3, as attribute"),
        (lambda x: x / EACH, {"Scale_Factor": EACH.ravel()}, "times 1, 10, 1, 1, 2.5, as"),
    ],
)
def test_stored_numbers_are_scaled(write, stored, change, attributes, words):
    images, survey = read(write(change(stored), attributes))
    np.testing.assert_allclose(images.transpose(0, 3, 1, 2), stored, rtol=1e-4, atol=1e-6)
    assert words in survey.converted["stored numbers"]


@pytest.mark.parametrize(
    ("of_images", "of_file", "dataset"),
    [
        ({"bands": "zirgu"}, {}, None),
        ({}, {"filters": "z, i, r, g, u"}, None),
        ({}, {"FILTERS": list("zirgu")}, None),
        ({"band_names": np.array([f"SDSS_{band}".encode() for band in "zirgu"])}, {}, None),
        ({"Bands": "ZIRGU"}, {"n_bands": 5}, None),
        ({}, {}, list("zirgu")),
        ({"bands": 5}, {}, [b"z", b"i", b"r", b"g", b"u"]),
        ({"channels": [f"{band}_sdss" for band in "zirgu"]}, {}, None),
        ({f"BAND{number}": f"SDSS-{band}" for number, band in enumerate("zirgu")}, {}, None),
    ],
)
def test_bands_are_sorted(write, stored, of_images, of_file, dataset):
    more = {} if dataset is None else {"bands": dataset}
    images, survey = read(write(stored[:, ::-1], of_images, of_file, **more))
    np.testing.assert_array_equal(images.transpose(0, 3, 1, 2), stored)
    assert survey.converted["bands"].startswith("read as z i r g u, as ")


@pytest.mark.parametrize("name", ["_FillValue", "missing_value", "BLANK", "nodata"])
def test_fill_values_are_masked_before_numbers_are_scaled(write, stored, name):
    packed = np.rint(stored * 1000).astype(np.int32)
    packed[2, 1, :5] = -9999
    found, survey = read(write(packed, {name: np.int32([-9999]), "scale_factor": 1e-3}))
    expected = packed / 1000
    expected[2, 1, :5] = np.nan
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, rtol=1e-5)
    assert (
        survey.converted["masked"] == f"pixels of -9999, as attribute {name!r} of the images says"
    )


def test_what_hdf5_fills_unwritten_pixels_with_is_masked(stored, tmp_path):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        chunks = (1, 5, 8, 8)
        images = file.create_dataset("images", stored.shape, "f4", fillvalue=-1, chunks=chunks)
        images[..., :24] = stored[..., :24]
    found, survey = read(tmp_path / "raw.h5")
    np.testing.assert_array_equal(found[:, :, :24], stored.transpose(0, 2, 3, 1)[:, :, :24])
    assert np.isnan(found[:, :, 24:]).all()
    assert survey.converted["masked"] == "pixels of -1, as the fill value of the images says"


@pytest.mark.parametrize(
    "attributes",
    [
        {"pixel_scale": 0.198},
        {"PIXSCALE": "0.198 arcsec/pixel"},
        {"CDELT1": -0.198 / 3600, "CDELT2": 0.198 / 3600},
        {"CD1_1": 0.0, "CD1_2": 0.198 / 3600, "CD2_1": -0.198 / 3600},
        {"PC1_1": -0.198 / 3600, "PC2_2": 0.198 / 3600, "CDELT1": 1.0, "CDELT2": 1.0},
        {"SECPIX1": 0.198, "SECPIX2": 0.198},
        {"pixel_scale_deg": 0.198 / 3600},
    ],
)
def test_pixels_of_the_scale_that_is_said_are_resampled(write, stored, attributes):
    fine = np.repeat(np.repeat(stored, 2, axis=2), 2, axis=3) / 4
    images, survey = read(write(fine, attributes, {"unit": "nmgy"}))
    np.testing.assert_allclose(images.transpose(0, 3, 1, 2), stored, rtol=1e-5, atol=1e-7)
    assert survey.converted["pixel scale"].startswith("0.198 arcsec, as attribute ")


REFUSED = [
    ({"BUNIT": "adu"}, {}, {}, "attribute 'BUNIT' of the images 'adu': expected a flux density"),
    ({"unit": "uJy"}, {"unit": "nmgy"}, {}, "'unit' of the file 'nmgy' contradicts attribute 'un"),
    ({"unit": "uJy", "zero_point": 25}, {}, {}, "'unit' of the images 'uJy' contradicts attribute"),
    ({"unit": "nmgy"}, {}, {"unit": "uJy"}, "'unit' of the images 'nmgy' contradicts what is give"),
    ({"unit": "nmgy"}, {}, {"zero_point": 25}, "contradicts what is given, AB zero point 25"),
    ({"zero_point": "Vega"}, {}, {}, "attribute 'zero_point' of the images 'Vega': expected"),
    (
        {"zero_point": [22.0, 23.0, 24.0]},
        {},
        {},
        "expected one number, or one for each of the bands 'ugr",
    ),
    (
        {"bands": "ugrizy"},
        {},
        {},
        "attribute 'bands' of the images 'ugrizy': expected letters",
    ),
    ({"bands": "gri"}, {}, {}, r"expected shape (N, 3, 32, 32) for the bands 'gri'"),
    ({"bands": "ugriz"}, {}, {"bands": "zirgu"}, "'ugriz' contradicts what is given, zirgu"),
    ({"scale_factor": "much"}, {}, {}, "attribute 'scale_factor' of the images 'much': expected a"),
    (
        {"scale_factor": 0.0},
        {},
        {},
        "attribute 'scale_factor' of the images 0.0: expected a nu",
    ),
    ({"pixel_scale": 0.2}, {}, {}, "= 6.4 arcsec, as attribute 'pixel_scale' of the images says"),
    ({"pixel_scale": 0.396}, {}, {"pixel_scale": 0.2}, "contradicts what is given, 0.2"),
    ({"pixel_scale": [0.396, 0.2]}, {}, {}, "expected arcsec per pixel, the same along both sides"),
    (
        {"_FillValue": "none at all"},
        {},
        {},
        "attribute '_FillValue' of the images 'none at all': ",
    ),
    ({"unit": "mag", "zp": 25.0}, {}, {}, "attribute 'unit' of the images 'mag': expected a flux"),
    ({"zero_point": "25 Vega"}, {}, {}, "attribute 'zero_point' of the images '25 Vega': exp"),
    ({"zp": 25, "MAGSYS": "Vega"}, {}, {}, "'MAGSYS' of the images 'Vega': expected AB magnitudes"),
    (
        {"zp_u": 25, "zp_g": 24},
        {},
        {},
        "'zp_g' of the images 24: expected the same of the bands r ",
    ),
    (
        {"unit": "softened to [0, 1], no flux"},
        {},
        {"unit": "uJy"},
        "no flux' contradicts what is given, uJy",
    ),
    ({}, {"zp_r": 30.0}, {}, "'zp_r' of the file 30.0: expected the same of the bands u g i z"),
    ({"unit": np.zeros(3, [("a", "f4")])}, {}, {}, "something else than texts or numbers"),
]


@pytest.mark.parametrize(("of_images", "of_file", "given", "words"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name(write, stored, of_images, of_file, given, words):
    path = write(stored, of_images, of_file)
    with pytest.raises(InputError) as caught:
        read(path, **given)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_nobody_can_read_is_what_the_user_gives(write, stored):
    path = write(stored[:, ::-1] * 3.631, {"bands": "B V R", "pixel_scale": "fine"}, {"unit": "?"})
    images, _ = read(path, bands="zirgu", unit="uJy", pixel_scale=0.396)
    np.testing.assert_allclose(images.transpose(0, 3, 1, 2), stored, rtol=1e-4)


def test_what_says_nothing_of_pixels_is_named_and_no_matter(write, stored):
    nothing = {"observer": "me", "unit": "", "CDELT1": 1.0, "units": h5py.Empty("S1")}
    path = write(stored, nothing, {"note": "hello", "source": "a test", "z_unit": "none"})
    images, survey = read(path)
    np.testing.assert_array_equal(images.transpose(0, 3, 1, 2), stored)
    assert survey.converted["not used"] == (
        "attribute 'observer' of the images, attribute 'note' of the file"
    )


@pytest.mark.parametrize("layout", ["sdss32", "nersc", "pasquet"])
def test_what_is_given_holds_for_layouts_that_are_recognised(written, galaxies, layout):
    path = written(layout)
    stamps = galaxies["stamps"]
    np.testing.assert_allclose(read(path, unit="uJy")[0], stamps / 3.631, rtol=1e-5)
    np.testing.assert_allclose(read(path, zero_point=25.0)[0], stamps / 10, rtol=1e-5)
    reversed_bands, survey = read(path, layout=layout, bands="zirgu")
    np.testing.assert_array_equal(reversed_bands, stamps[..., ::-1])
    assert survey.layout == layout
    masked = read(path, masked_value=float(stamps[2, 3, 4, 1]))[0]
    assert np.argwhere(np.isnan(masked)).tolist() == [[2, 3, 4, 1]]
    key = "zErr" if layout == "pasquet" else "specz_redshift_err"
    _, survey = read(path, redshift=key, ebv=None)
    np.testing.assert_array_equal(survey.table.z_spec, galaxies["z_error"])
    assert np.isnan(survey.table.ebv).all()
    for given in ({"redshift": "cat/z"}, {"bands": "gri"}, {"pixel_scale": 0.1}, {"images": "no"}):
        with pytest.raises(InputError, match=r"raw\."):
            read(path, layout=layout, **given)


@pytest.mark.parametrize(
    ("column", "values", "attributes", "expected"),
    [
        ("ra", [1.0, 2.0], {"unit": "hourangle"}, [15.0, 30.0]),
        ("ra", [1.0, 2.0], {"UNITS": "hours"}, [15.0, 30.0]),
        ("ra", [1.0, 2.0], {"units": np.array([b"rad"])}, np.rad2deg([1.0, 2.0])),
        ("ra", [1.0, 2.0], {"unit": "decimal degrees"}, [1.0, 2.0]),
        ("ebv", [30.0, 40.0], {"unit": "mmag"}, [0.03, 0.04]),
        ("ra", [1.0, 2.0], {"unit": "decimal hours"}, [15.0, 30.0]),
        ("ra", [1.0, 2.0], {"unit": "milli deg"}, "attribute 'unit' of ra 'milli deg': expected"),
        ("ebv", [-9999.0, 0.04], {"_FillValue": -9999.0}, [np.nan, 0.04]),
        ("z_spec", np.float32([-99.9, 0.2]), {"missing_value": -99.9}, [np.nan, 0.2]),
        ("ebv", np.float32([0.9, 0.04]), {"missing_value": 0.9}, [np.nan, 0.04]),
        (
            "z_spec",
            [0.1, 0.2],
            {"scale_factor": [1, 2]},
            "specz_redshift: expected one number; received times 1, 2, as attribute 'scale_factor'",
        ),
        ("z_spec", np.int16([1000, 2000]), {"scale_factor": 1e-4}, [0.1, 0.2]),
        ("ra", [1.0, 2.0], {"unit": "pc"}, "attribute 'unit' of ra 'pc': expected a unit of ra"),
        ("z_spec", [1.0, 2.0], {"unit": "km/s"}, "expected a unit of redshift, such as none"),
    ],
)
def test_columns_are_what_they_say(write, stored, column, values, attributes, expected):
    key = {"ebv": "e_bv", "z_spec": "specz_redshift"}.get(column, column)
    path = write(stored, ra=np.ones(N), dec=np.ones(N), e_bv=np.zeros(N))
    with h5py.File(path, "a") as file:
        del file[key]
        file[key] = np.resize(values, N)
        file[key].attrs.update(attributes)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            read(path)
        return
    _, survey = read(path)
    np.testing.assert_allclose(getattr(survey.table, column)[:2], expected, rtol=1e-6)


def test_what_stands_above_the_images_is_said_of_them(stored, tmp_path):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["a/b/images"] = stored[:, ::-1] * 3.631
        file["filters"] = list("zirgu")
        file["a"].attrs["unit"] = "uJy"
    images, survey = read(tmp_path / "raw.h5", images="a/b/images")
    np.testing.assert_allclose(images.transpose(0, 3, 1, 2), stored, rtol=1e-4)
    assert survey.converted["unit"].startswith("uJy, as attribute 'unit' of /a says")


def test_zero_points_of_as_many_galaxies_as_bands_may_be_of_either(galaxies, tmp_path):
    stamps, path = galaxies["stamps"][:5], tmp_path / "five.npz"
    zero_points = np.array(EACH_ZERO_POINT)
    np.savez(path, images=stamps, zero_point=zero_points)
    with pytest.raises(InputError, match=r"five.npz: array 'zero_point' .* 5 galaxies and 5 bands"):
        read(path)
    write_hdf5(tmp_path / "five.h5", {"images": stamps, "zero_point": zero_points})
    with pytest.raises(InputError, match=r"five.h5: dataset 'zero_point' .* such as zp_u"):
        read(tmp_path / "five.h5")
    np.savez(path, images=stamps * EACH.ravel(), **dict(zip(ZP_NAMES, zero_points, strict=True)))
    np.testing.assert_allclose(read(path)[0], stamps, rtol=1e-4)
    np.savez(path, images=stamps * 10, zero_point=np.full(5, 25.0))
    np.testing.assert_allclose(read(path)[0], stamps, rtol=1e-4)


def test_arrays_of_an_npz_say_the_same(galaxies, tmp_path):
    stamps = galaxies["stamps"]
    said = {"unit": "uJy", "filters": np.array(list("zirgu")), "pixel_scale": 0.396}
    np.savez(tmp_path / "mine.npz", images=stamps[..., ::-1] * 3.631, **said)
    images, survey = read(tmp_path / "mine.npz")
    np.testing.assert_allclose(images, stamps, rtol=1e-4)
    assert survey.converted["unit"].startswith("uJy, as array 'unit' says: times 0.275406")
    cube = np.zeros((N, 64, 64, 5), np.float32)
    cube[:, 16:48, 16:48] = stamps * 10
    labels = np.zeros(N, [("z", "f4")])
    np.savez(tmp_path / "pasquet.npz", cube=cube, labels=labels, magzero=25.0)
    np.testing.assert_allclose(read(tmp_path / "pasquet.npz")[0], stamps, rtol=1e-4)
    np.savez(tmp_path / "pasquet.npz", cube=cube, labels=labels, unit=np.zeros(100))
    with pytest.raises(InputError, match=r"pasquet.npz: array 'unit' .*expected a flux density"):
        read(tmp_path / "pasquet.npz")


@pytest.mark.parametrize("repeats", [1, 6])
def test_columns_and_other_images_are_not_said_of_the_pixels(galaxies, tmp_path, repeats):
    n = N * repeats
    stamps = np.tile(galaxies["stamps"].transpose(0, 3, 1, 2), (repeats, 1, 1, 1))
    stamps[:, :, :2] = np.arange(2)[:, None]  # pixels of 0 and 1
    beside = {
        "blank": np.arange(n) % 2,
        "scale_factor": np.full(n, 3.0),
        "mask": np.zeros(stamps.shape, np.uint8),
        "nodata": np.float32([-7] * 5),
    }
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["images"] = stamps
        for key, values in beside.items():
            file[key] = values
    np.savez(tmp_path / "raw.npz", images=stamps, unit="nmgy", **beside)
    for name, kind in (("raw.h5", "dataset"), ("raw.npz", "array")):
        images, survey = read(tmp_path / name)
        np.testing.assert_array_equal(images.transpose(0, 3, 1, 2), stamps)
        named = sorted(survey.converted["not used"].split(", "))
        assert named == [f"{kind} 'blank'", f"{kind} 'mask'", f"{kind} 'scale_factor'"]
        assert survey.converted["masked"] == f"pixels of -7, as {kind} 'nodata' says"


def test_cards_of_fits_say_the_same(stored, tmp_path):
    hdus = []
    for number, band in enumerate("ugriz"):
        factor = float(EACH.ravel()[number])
        hdu = fits.ImageHDU((stored * factor)[:, number])
        hdu.header.update(FILTER=band, MAGZERO=EACH_ZERO_POINT[number], BUNIT="adu")
        hdus.append(hdu)
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("RA", "D", unit="hourangle", array=np.arange(N) + 1.0),
            fits.Column("DEC", "D", unit="deg", array=np.arange(N)),
        ]
    )
    fits.HDUList([fits.PrimaryHDU(), *hdus, table]).writeto(tmp_path / "mef.fits")
    images, survey = read(tmp_path / "mef.fits", ra="RA", dec="DEC")
    np.testing.assert_allclose(images.transpose(0, 3, 1, 2), stored, rtol=1e-4)
    np.testing.assert_allclose(survey.table.ra, 15 * (np.arange(N) + 1.0))
    with fits.open(tmp_path / "mef.fits", mode="update") as opened:
        del opened[2].header["MAGZERO"]
    with pytest.raises(InputError, match=r"mef.fits: .*expected its zero_point, as other"):
        read(tmp_path / "mef.fits")
