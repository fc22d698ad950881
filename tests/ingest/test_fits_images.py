"""FITS cut-outs give the stamps that HDF5 gives, or one line that says why not."""

import gc
import gzip

import numpy as np
import pytest
from astropy.io import fits

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.files import files_of, total_digest
from pix2z.ingest.contents import file_contents
from pix2z.ingest.source import detect_layout, open_source
from pix2z.said.claims import band_in
from tests.ingest.layout_files import read

BANDS = "ugriz"


def sky(ra=150.0, dec=2.0, *, scale=0.396, side=40):
    """Cards of a WCS whose middle is at a place on the sky."""
    middle = (side + 1) / 2
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": middle,
        "CRPIX2": middle,
        "CD1_1": -scale / 3600,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": scale / 3600,
    }


def image(pixels, name=None, *, kind=fits.ImageHDU, **cards):
    hdu = kind(pixels)
    hdu.name = name or hdu.name
    hdu.header.update(cards)
    return hdu


def write(path, *hdus):
    path.parent.mkdir(exist_ok=True)
    primary = () if isinstance(hdus[0], fits.PrimaryHDU) else (fits.PrimaryHDU(),)
    fits.HDUList([*primary, *hdus]).writeto(path)
    return path


@pytest.fixture
def stored(galaxies):
    """Stamps (12, 5, 40, 40): the galaxies of every layout, in a frame of zeros."""
    stamps = np.zeros((12, 5, 40, 40), np.float32)
    stamps[:, :, 4:36, 4:36] = galaxies["stamps"].transpose(0, 3, 1, 2)
    return stamps


@pytest.fixture
def cube(stored, galaxies, tmp_path):
    """One file of all galaxies and a table of their columns."""
    table = np.zeros(12, [("ID", "i8"), ("Z", "f4"), ("E_BV", "f4"), ("RA", "f8"), ("DEC", "f8")])
    for field, name in zip(table.dtype.names, ("object_id", "z", "ebv", "ra", "dec"), strict=True):
        table[field] = galaxies[name]
    return write(tmp_path / "cube.fits", image(stored, BUNIT="nmgy"), fits.BinTableHDU(table))


KEYS = {"redshift": "z", "object_id": "id", "ebv": "e_bv", "ra": "ra", "dec": "dec"}


def test_a_cube_of_many_with_a_table_is_what_hdf5_is(cube, galaxies):
    images, survey = read(cube, **KEYS)
    np.testing.assert_array_equal(images, galaxies["stamps"])
    np.testing.assert_array_equal(survey.table.object_id, galaxies["object_id"])
    np.testing.assert_array_equal(survey.table.z_spec, galaxies["z"])
    np.testing.assert_array_equal(survey.table.ebv, galaxies["ebv"])
    np.testing.assert_array_equal(survey.table.ra, galaxies["ra"])
    assert survey.layout == detect_layout(cube) == "fits"
    assert survey.converted["unit"] == "nmgy, as BUNIT says"


@pytest.mark.parametrize("pack", [lambda b: b, gzip.compress], ids=["plain", "gzip"])
def test_a_cube_of_one_galaxy_says_where_it_is(stored, galaxies, tmp_path, pack):
    path = write(
        tmp_path / "one.fits",
        image(stored[3], kind=fits.PrimaryHDU, BUNIT="nmgy", EBV=0.03, ZSPEC=0.1, **sky(150.5, 2)),
    )
    path.write_bytes(pack(path.read_bytes()))
    images, survey = read(path, ebv="EBV", redshift="zspec")
    np.testing.assert_array_equal(images, galaxies["stamps"][3:4])
    np.testing.assert_allclose([survey.table.ra[0], survey.table.dec[0]], [150.5, 2.0])
    assert survey.table.ebv[0] == np.float32(0.03)
    assert survey.table.z_spec[0] == np.float32(0.1)


def test_scaled_integers_are_multiplied_and_converted(stored, tmp_path):
    whole = (stored[:1] * 100).astype(np.int16)
    path = write(tmp_path / "cube.fits", image(whole))
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[1].header.update(BUNIT="uJy", BSCALE=2.0)
    images, _ = read(path)
    expected = 2 * whole[:, :, 4:36, 4:36].transpose(0, 2, 3, 1) / 3.631
    np.testing.assert_allclose(images, expected, rtol=1e-6)


def per_band(stored, order="ugriz", *, name="SCI_{}", **cards):
    return [image(stored[BANDS.index(b)], name.format(b), **sky(), **cards) for b in order]


def test_an_image_per_band_is_read_by_its_name_and_weights_are_left(stored, galaxies, tmp_path):
    weights = [image(np.ones((40, 40), np.float32), f"IVAR_{b}") for b in BANDS]
    hdus = per_band(stored[0], "zirgu", BUNIT="nmgy")
    images, survey = read(write(tmp_path / "mef.fits", *weights, *hdus))
    np.testing.assert_array_equal(images, galaxies["stamps"][:1])
    assert survey.converted["bands"] == "read as z i r g u, as EXTNAME or FILTER says"
    assert survey.converted["not used"].startswith("image IVAR_U, image IVAR_G, ")


def test_bands_are_known_by_filter_and_chosen_by_extname(stored, galaxies, tmp_path):
    hdus = []
    for number, band in enumerate(BANDS):
        hdus += [
            image(stored[0, number], "SCI", FILTER=f"{band} SDSS c0001", BUNIT="nmgy"),
            image(stored[0, number] * 0, "BACKGROUND", FILTER=f"{band} SDSS c0001", BUNIT="nmgy"),
        ]
    path = write(tmp_path / "mef.fits", *hdus)
    with pytest.raises(InputError, match=r"mef.fits: expected one cube, or one image per band"):
        read(path)
    np.testing.assert_array_equal(read(path, images="SCI")[0], galaxies["stamps"][:1])


def test_images_without_any_name_are_in_the_order_of_the_bands(stored, galaxies, tmp_path):
    path = write(tmp_path / "mef.fits", *(image(stored[0, n], BUNIT="nmgy") for n in range(5)))
    np.testing.assert_array_equal(read(path)[0], galaxies["stamps"][:1])
    np.testing.assert_array_equal(read(path, bands="zirgu")[0][..., ::-1], galaxies["stamps"][:1])
    named = [image(stored[0, n], f"LAYER{n}", BUNIT="nmgy") for n in range(5)]
    with pytest.raises(InputError, match="received .*LAYER0 .* of no band named"):
        read(write(tmp_path / "named.fits", *named))


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("SDSS-g", "g"),
        ("r.MP9602", "r"),
        ("zband", "z"),
        ("g DECam SDSS c0001 4720.0 1520.0", "g"),
        ("HSC-I", "i"),
        ("SDSSu", "u"),
        ("ngc1-r.fits", "r"),
        ("IMAGE", None),
        ("ur", None),
        ("g-r", None),
        ("Y", None),
    ],
)
def test_a_band_is_a_letter_alone(text, band):
    assert band_in(text) == band


@pytest.mark.parametrize(
    ("file_name", "cards", "words"),
    [
        ("gal-g.fits", {"FILTER": "r"}, "the name 'gal-g.fits' contradicts FILTER 'r'"),
        ("gal.fits", {"EXTNAME": "g", "FILTER": "SDSS r"}, "FILTER 'SDSS r' contradicts EXTNAME"),
    ],
)
def test_two_bands_of_one_image_are_refused(stored, tmp_path, file_name, cards, words):
    path = write(tmp_path / file_name, image(stored[0, 1], cards.get("EXTNAME"), **cards))
    with pytest.raises(InputError, match=words):
        read(path)


def test_bands_may_have_a_unit_each(stored, galaxies, tmp_path):
    hdus = [image(stored[0, 1], "g", BUNIT="nmgy"), image(stored[0, 2], "r", BUNIT="uJy")]
    images, _ = read(write(tmp_path / "units.fits", *hdus))
    expected = galaxies["stamps"][:1, :, :, 1:3] * np.float32([1, 1 / 3.631])
    np.testing.assert_allclose(images[..., 1:3], expected, rtol=1e-5)


def test_an_absent_band_is_absent(stored, tmp_path):
    images, survey = read(write(tmp_path / "gri.fits", *per_band(stored[0], "gri", BUNIT="nmgy")))
    assert np.isnan(images).all(axis=(0, 1, 2)).tolist() == [True, False, False, False, True]
    assert survey.converted["bands"] == "read as g r i, as EXTNAME or FILTER says; absent: u z"


def test_five_files_of_a_galaxy_are_one_row(stored, galaxies, tmp_path, run_ingest):
    for number in range(3):
        for index, band in enumerate(BANDS):
            cards = {"BUNIT": "nmgy", "Z_SPEC": 0.1 + 0.05 * number}
            hdu = image(stored[number, index], kind=fits.PrimaryHDU, **sky(150 + number), **cards)
            write(tmp_path / "many" / f"ngc{number}-{band}.fits", hdu)
    folder = tmp_path / "many"
    images, survey = read(folder, redshift="Z_SPEC")
    np.testing.assert_array_equal(images, galaxies["stamps"][:3])
    np.testing.assert_allclose(survey.table.z_spec, [0.1, 0.15, 0.2], rtol=1e-6)
    np.testing.assert_allclose(survey.table.ra, [150, 151, 152])
    _, report = run_ingest(
        folder, layout=None, mapping=Hdf5Mapping(redshift="Z_SPEC"), check_photometry=False
    )
    assert report["n_good"] == 3
    assert report["raw"]["sha256"] == total_digest(files_of(folder))


def test_headers_of_many_files_are_not_kept(stored, tmp_path):
    for number in range(12):
        write(tmp_path / "many" / f"{number:02}.fits", image(stored[number], BUNIT="nmgy"))
    with open_source(tmp_path / "many") as survey:
        survey.read_images(0, 12)
        gc.collect()
        kept = [one for one in gc.get_objects() if type(one) is fits.ImageHDU]
        assert len(kept) <= 1


def test_the_wcs_gives_the_pixel_scale(galaxies, tmp_path):
    fine = np.repeat(np.repeat(galaxies["stamps"][:1].transpose(0, 3, 1, 2) / 4, 2, 2), 2, 3)
    path = write(tmp_path / "fine.fits", image(fine[0], BUNIT="nmgy", **sky(scale=0.198, side=64)))
    images, survey = read(path)
    np.testing.assert_allclose(images, galaxies["stamps"][:1], rtol=1e-5, atol=1e-6)
    assert survey.converted["pixel scale"].startswith("0.198 arcsec, as the WCS says, resampled")
    with pytest.raises(InputError, match=r"the WCS 0\.198 contradicts what is given, 0\.262"):
        read(path, pixel_scale=0.262)


def test_bands_may_differ_in_scale_as_those_of_sdss_do(stored, galaxies, tmp_path):
    hdus = [
        image(stored[0, n], band, BUNIT="nmgy", **sky(scale=0.396 * (1 + (n - 2) * 1e-3)))
        for n, band in enumerate(BANDS)
    ]
    images, survey = read(write(tmp_path / "mef.fits", *hdus))
    np.testing.assert_array_equal(images, galaxies["stamps"][:1])
    assert survey.converted["crop"] == "rows 4 to 35, columns 4 to 35"


def test_an_error_of_ours_is_not_called_damage(stored, tmp_path, monkeypatch):
    def wrong(headers, bands):
        raise ZeroDivisionError

    monkeypatch.setattr("pix2z.ingest.fits_images.said_together", wrong)
    with pytest.raises(ZeroDivisionError):
        read(write(tmp_path / "cube.fits", image(stored, BUNIT="nmgy")))


def test_what_the_first_hdu_says_is_said_of_all(galaxies, tmp_path):
    fine = np.repeat(np.repeat(galaxies["stamps"][0].transpose(2, 0, 1) / 4, 2, 1), 2, 2)
    zero_points = {f"ZP_{band}": 22.5 + number for number, band in enumerate(BANDS)}
    factors = 10 ** (0.4 * np.arange(5))
    bands = [image(fine[n] * factors[n], band, BUNIT="adu") for n, band in enumerate(BANDS)]
    for number, cards in enumerate(
        ({"PIXSCALE": 0.198}, sky(scale=0.198), {"SECPIX1": 0.198}, galactic(0.198))
    ):
        first = image(None, kind=fits.PrimaryHDU, **zero_points, **cards)
        images, _ = read(write(tmp_path / f"{number}.fits", first, *bands))
        np.testing.assert_allclose(images, galaxies["stamps"][:1], rtol=1e-4, atol=1e-6)


def galactic(scale):
    return sky(scale=scale) | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}


def test_each_band_may_have_its_number_for_masked_pixels(stored, tmp_path):
    hdus = []
    for number, band in enumerate(BANDS):
        hdus.append(image(stored[0, number].copy(), band, BUNIT="nmgy", NODATA=-900.0 - number))
        hdus[-1].data[6, 7] = -900 - number
    images, _ = read(write(tmp_path / "mef.fits", *hdus))
    assert np.isnan(images[0, 2, 3]).all()
    assert np.isnan(images).sum() == 5


@pytest.mark.parametrize(
    ("hdus", "mapping", "words"),
    [
        (
            lambda s: [image(s[n], "SCI", FILTER=f, BUNIT="nmgy") for n, f in enumerate("BVRI")],
            {},
            "SCI: a filter of Johnson's; expected images in ugriz",
        ),
        (
            lambda s: [
                image(s[n], BANDS[n], BUNIT="nmgy", PIXSCALE=(0.396, 0.2)[n]) for n in range(2)
            ],
            {},
            r"PIXSCALE 0\.2 contradicts PIXSCALE",
        ),
        (
            lambda s: [image(s[n], BANDS[n], MAGZERO=25.0, PHOTZP=25.0 + 2 * n) for n in range(2)],
            {},
            r"PHOTZP \[25\.0, 27\.0\] contradicts MAGZERO",
        ),
        (
            lambda s: [image(s, BUNIT="nmgy", **sky() | {"CTYPE1": "RA---NON"})],
            {},
            r"bad\.fits: HDU 1: the WCS cannot be read \(",
        ),
        (lambda s: [image(s, BUNIT="nmgy")], {"ebv": "E"}, "key 'E' is missing; expected a column"),
        (
            lambda s: [image(s[0], "g", BUNIT="nmgy"), image(s[1], "r")],
            {},
            "expected its unit, as other bands have: BUNIT 'nmgy'",
        ),
        (
            lambda s: [image(s[0], "g", BUNIT="nmgy"), image(s[1, :35], "r", BUNIT="nmgy")],
            {},
            r"R: expected shape \(40, 40\), that of",
        ),
        (
            lambda s: [
                image(s[0], "g", BUNIT="nmgy", **sky()),
                image(s[1], "r", BUNIT="nmgy", **sky(dec=2.001)),
            ],
            {},
            r"its middle is 9\.1 pixels from that of",
        ),
        (lambda s: [image(s, BUNIT="nmgy"), image(s, BUNIT="nmgy")], {}, "expected one cube"),
        (lambda s: [image(s, BUNIT="nmgy")], {"images": "DATA"}, "image 'DATA' is missing"),
        (lambda s: [image(s, BUNIT="nmgy")], {"images": "images"}, "image 'images' is missing"),
    ],
)
def test_what_does_not_fit_is_one_line(stored, tmp_path, hdus, mapping, words):
    path = write(tmp_path / "bad.fits", *hdus(stored[0]))
    with pytest.raises(InputError, match=words):
        read(path, **mapping)


@pytest.mark.parametrize("missing", [1, 7000, 8700, 10000])
def test_a_file_whose_last_band_was_cut_is_refused(stored, tmp_path, missing):
    hdus = [image(stored[0, n, :32, :32], band, BUNIT="nmgy") for n, band in enumerate(BANDS)]
    path = write(tmp_path / "mef.fits", *hdus)  # 8640 bytes each, 1664 of them at its end unused
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(InputError, match=r"mef\.fits: damaged"):
        read(path)


@pytest.mark.parametrize("size", [b" -9", b"-32"])
def test_a_file_whose_header_says_a_size_below_0_is_refused(stored, tmp_path, size):
    hdus = [image(stored[0, n, :32, :32], band, BUNIT="nmgy") for n, band in enumerate(BANDS)]
    path = write(tmp_path / "mef.fits", *hdus)
    whole = bytearray(path.read_bytes())
    card = whole.index(b"NAXIS2", 2880 * 2)
    whole[card + 27 : card + 30] = size
    path.write_bytes(whole)
    for reader in (read, file_contents):
        with pytest.raises(InputError, match=r"mef\.fits: damaged"):
            reader(path)
