import math

import pytest

from pix2z.archive.sdss_file import object_id, spec_object_id
from pix2z.archive.sdss_list import Field, read_objects
from pix2z.errors import InputError

HEADER = "plate,mjd,fiberid,run2d,specobj_id,ra,dec,sn_median_r,z,zerr,zwarning,class,subclass"


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, encoding="utf-8"):
        path = tmp_path / "objects.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return read_objects(path)

    return write_and_read


@pytest.mark.parametrize(
    "row",
    [
        "1678,53433,425,26,1889376924388583424,229.5,42.7,20.1,0.04,1e-5,16,GALAXY,STARFORMING",
        "'1678','53433','425','26','1889376924388583424',229.5,42.7,20,0.04,1e-5,16,GALAXY,",
        " 1678, 53433, 425.0, 26.0, 1.88937692438858E18,229.5,42.7,20.1,0.04,1e-5,16,GALAXY,",
    ],
)
@pytest.mark.parametrize("above", ["", "\ufeff#Table1\r\n"])
def test_ids_are_read_however_they_are_quoted(read, row, above):
    listed = read(f"{above}{HEADER}\n{row}\n")
    assert listed.failures == ()
    (found,) = listed.objects
    assert (found.row, found.plate, found.mjd, found.fiber) == (1, 1678, 53433, 425)
    assert (found.run2d, found.rerun, found.field) == ("26", 301, None)
    assert math.isnan(found.ebv)
    assert not listed.has_ebv
    assert str(found) == "1678-53433-0425"
    assert object_id(found) == 1678_53433_0425
    assert spec_object_id(found) == 1889376924388583424  # as SDSS has it


def test_the_place_of_the_image_is_taken_where_it_is_whole(read):
    text = (
        "plate,mjd,fiberid,run,camcol,field,rerun,ebv,run2d\n"
        "300,51000,1,3918,3,213,301,0.02,v5_13_2\n"
        "300,51000,2,3918,3,,,,\n"
        "300,51000,3,0,0,0,0,-1,null\n"
        "300,51000,4,756,6,11,302,nan,104\n"
    )
    listed = read(text)
    assert listed.has_ebv
    one, two, three, four = listed.objects
    assert one.field == Field(301, 3918, 3, 213)
    assert str(one.field) == "003918-3-0213"
    assert one.run2d == "v5_13_2"
    assert one.ebv == 0.02
    assert two.field is None
    assert three.field is None
    assert four.field == Field(302, 756, 6, 11)
    assert math.isnan(two.ebv)
    assert math.isnan(three.ebv)
    assert (two.run2d, three.run2d, four.run2d) == ("26", "26", "104")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,51000,1,26,5", "plate: expected a whole number from 1 to 99999; received 'x'"),
        ("300,51000,1.5,26,5", "fiberid: expected a whole number from 1 to 9999; received '1.5'"),
        ("300,51000,,26,5", "fiberid: expected a whole number from 1 to 9999; received ''"),
        ("300,51000,1,../../x,5", "run2d: expected 26, 103, 104 or v5_...; received '../../x'"),
        ("300,51000,1,26,7", "camcol: expected a whole number from 1 to 6; received '7'"),
        ("300,51000,9,26,5", "the same spectrum as in row 1"),
    ],
)
def test_a_row_that_names_no_spectrum_of_its_own_fails_alone(read, row, reason):
    start = "plate,mjd,fiberid,run2d,camcol,run,field\n300,51000,9,26,5,1,2\n"
    listed = read(f"{start}{row},1,2\n300,51000,8,26,5,1,2\n")
    assert [str(found) for found in listed.objects] == ["0300-51000-0009", "0300-51000-0008"]
    (failure,) = listed.failures
    assert failure.row == 2
    assert failure.reason == reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "ra,de\n1,2\n",
            "columns plate, mjd, fiberid missing; expected plate, mjd, fiberid, or ra",
        ),
        ("ra,dec,RA,Dec\n1,2,3,4\n", "expected one column ra; received ra, RA$"),
        ("ra,dec,e_bv,sfd_ebv\n1,2,3,4\n", "expected one column ebv; received e_bv, sfd_ebv$"),
        ("plate,mjd,ra\n1,2,3\n", "column fiberid missing; .*; the file has plate, mjd, ra"),
        (f"{HEADER}\n", "expected rows below the header; has none"),
        ("#Table1\n", "not CSV"),
        ("plate,mjd,fiberid\n1,2,3\n1,2,3,4,5\n", "not CSV"),
        (b"\x89HDF\r\n\x1a\n\0\0\0", "expected CSV; received an HDF5 file"),
        (b"SIMPLE  =                    T", "expected CSV; received a FITS file"),
        (b"plate,mjd,fiberid,caf\xe9", "expected text in UTF-8"),
    ],
)
def test_a_file_that_is_no_list_is_named_in_one_line(read, tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read(text)
    assert str(caught.value).startswith(f"{tmp_path / 'objects.csv'}: ")
    assert "\n" not in str(caught.value)


def test_ids_of_plates_beyond_8191_fit_as_people_write_them(read):
    (found,) = read("plate,mjd,fiberid,run2d\n12547,58928,999,v5_13_2\n").objects
    assert object_id(found) == 12547_58928_0999
    assert spec_object_id(found) >= 2**63
    assert spec_object_id(found) >> 50 == 12547
    assert (spec_object_id(found) >> 10) % 2**14 == 1302


@pytest.mark.parametrize("objid", ["1.23766e18", "1237650000000000001.0", "9999999999999999999"])
def test_an_id_that_lost_digits_is_refused(read, objid):
    (failure,) = read(f"ra,dec,objid,note,note\n1,2,{objid},a,b\n").failures
    assert failure.reason == f"objid: expected all digits of an id; received {objid!r}"


@pytest.mark.parametrize("objid", ["galaxy7", "-1", "null"])
def test_a_name_is_no_id_and_costs_no_galaxy(read, objid):
    (listed,) = read(f"ra,dec,objid\n1,2,{objid}\n").objects
    assert listed.object_id == 0


def test_positions_are_enough_where_no_spectrum_is_named(read):
    text = (
        "ra,dec,plate,mjd,fiberid,run,camcol,field,objid,ebv\n"
        "150.5,-2,,,,,,,,\n"
        "0,0,0,0,0,1000,2,30,1237650000000000001,0.02\n"
        "151,2,300,51000,1,,,,,\n"
        "150.5,-2,,,,,,,,\n"
        "12:30:00,2,,,,,,,,\n"
        "150,91,,,,,,,,\n"
    )
    listed = read(text)
    one, two, three = listed.objects
    assert (one.ra, one.dec, one.has_spectrum, one.field, one.object_id) == (
        150.5,
        -2,
        False,
        None,
        0,
    )
    assert (two.ra, two.dec, two.has_spectrum) == (0, 0, False)
    assert two.field == Field(301, 1000, 2, 30)
    assert (object_id(two), spec_object_id(two), object_id(one)) == (1237650000000000001, 0, 1)
    assert str(one) == "150.50000-2.00000"
    assert str(three) == "0300-51000-0001"
    assert [(failure.row, failure.reason) for failure in listed.failures] == [
        (4, "the same position as in row 1"),
        (5, "ra: expected degrees from 0 to 360; received '12:30:00'"),
        (6, "dec: expected degrees from -90 to 90; received '91'"),
    ]
