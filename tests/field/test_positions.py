"""Lists of positions, and boxes on the sky."""

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.field.positions import Box, read_positions


def test_a_list_is_read_with_its_ids(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("ObjID,RA,Dec\n1237648720693755918,150.1,-2.5\n8,0,90\n")
    ra, dec, object_id = read_positions(path)
    assert (ra.tolist(), dec.tolist()) == ([150.1, 0.0], [-2.5, 90.0])
    assert object_id.tolist() == [1237648720693755918, 8]
    path.write_text("ra,dec\n1,2\n3,4\n")
    assert read_positions(path)[2].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ra\n1\n", "column dec missing"),
        ("ra,dec,ra,dec\n1,2,3,4\n", "expected one column ra; received ra, ra$"),
        ("ra,dec\n", "expected rows below the header"),
        ("ra,dec\n1,2\nnan,4\n", "row 2: expected ra of 0 to 360"),
        ("ra,dec\n1,95\n", "row 1: expected ra of 0 to 360 and dec of -90 to 90"),
        ("ra,dec\n1,north\n", "row 1: could not convert"),
        ("ra,dec,id\n1,2,99999999999999999999\n", "row 1: id is too large"),
        ("ra,dec,id\n1,2,M31\n", "row 1: invalid literal"),
    ],
)
def test_a_row_that_is_no_position_is_named(tmp_path, text, words):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_positions(tmp_path / "list.csv")
    assert "\n" not in str(caught.value)


def test_a_box_may_go_over_0_h():
    ra, dec = np.array([359.0, 1.0, 180.0, 1.0]), np.array([0.0, 0.0, 0.0, 5.0])
    assert Box.parse("358,2,-1,1").holds(ra, dec).tolist() == [True, True, False, False]
    assert Box.parse("0,2,-1,6").holds(ra, dec).tolist() == [False, True, False, True]


@pytest.mark.parametrize("text", ["1,2,3", "1,2,4,3", "a,2,3,4", "1,400,3,4", "1,2,nan,4", ""])
def test_what_is_no_box_is_refused(text):
    with pytest.raises(InputError, match="--box: expected RA,RA,DEC,DEC in degrees"):
        Box.parse(text)


def test_a_box_whose_ends_are_interchanged_is_refused():
    with pytest.raises(InputError, match=r"expected RA rising, or over 0 h .*, 359\.7 degrees"):
        Box.parse("229.7,229.4,42,43")
