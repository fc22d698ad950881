"""What a client may send, and the one sentence where it may not."""

import base64

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from pix2z.tracking.served_requests import (
    LARGEST_BATCH,
    RequestError,
    read_request,
)

IMAGES = np.random.default_rng(0).normal(0.1, 0.05, (2, 32, 32, 5)).astype(np.float32)


def text_of(images: np.ndarray) -> str:
    return base64.b64encode(images.astype("<f4").tobytes()).decode()


@pytest.mark.parametrize(
    "form",
    [IMAGES, IMAGES.astype(np.float64), IMAGES.tolist(), text_of(IMAGES)],
    ids=["float32", "float64", "lists", "base64"],
)
def test_every_form_of_images_is_read(form):
    for asked in (form, {"images": form}):
        request = read_request(asked, None)
        assert request.images.dtype == np.float32
        np.testing.assert_array_equal(request.images, IMAGES)
        assert np.isnan(request.ebv).all()
        assert not request.pdf


def test_null_and_infinity_mask_a_pixel():
    lists = IMAGES.tolist()
    lists[0][3][4][1] = None
    lists[1][3][4][1] = float("inf")
    lists[1][3][4][2] = 1e300  # beyond float32
    lists[1][3][4][3] = 1e20  # a program's sign for "none", as everywhere
    images = read_request(lists, None).images
    assert np.isnan(images[0, 3, 4, 1])
    assert np.isnan(images[1, 3, 4, 1:4]).all()
    assert np.isfinite(images).sum() == images.size - 4


def test_a_mask_and_a_unit_of_a_python_caller_count():
    """A nanomaggy is 3.631 microjansky."""
    hidden = IMAGES > 0.15
    masked = read_request(np.ma.masked_array(IMAGES, hidden), None).images
    np.testing.assert_array_equal(masked, np.where(hidden, np.nan, IMAGES))
    ebv = np.ma.masked_array([0.1, 0.2], [False, True])
    asked = {"images": IMAGES.astype(np.float64) * 3.631 * u.uJy, "ebv": ebv}
    request = read_request(asked, None)
    np.testing.assert_allclose(request.images, IMAGES, rtol=1e-6)
    np.testing.assert_array_equal(request.ebv, np.array([0.1, np.nan], np.float32))
    with pytest.raises(RequestError, match="images: expected numbers in nanomaggy; received"):
        read_request(IMAGES * u.adu, None)


@pytest.mark.parametrize("of", [list, tuple])
def test_a_mask_and_a_unit_of_arrays_in_a_list_count(of):
    hidden = IMAGES > 0.15
    masked = of(np.ma.masked_array(*one) for one in zip(IMAGES, hidden, strict=True))
    ebv = of([np.ma.masked, np.float32(0.2)])
    request = read_request({"images": masked, "ebv": ebv}, None)
    np.testing.assert_array_equal(request.images, np.where(hidden, np.nan, IMAGES))
    np.testing.assert_array_equal(request.ebv, np.array([np.nan, 0.2], np.float32))
    quantities = of(IMAGES.astype(np.float64) * 3.631 * u.uJy)
    np.testing.assert_allclose(read_request(quantities, None).images, IMAGES, rtol=1e-6)


@pytest.mark.parametrize(
    ("ebv", "read"),
    [
        ([0.1, 0.2], [0.1, 0.2]),
        ([0, None], [0.0, np.nan]),
        ([-999.0, float("inf")], [np.nan, np.nan]),
        ([3.0, 22.5], [3.0, np.nan]),
        (np.array([0.1, np.nan]), [0.1, np.nan]),
        ([np.float32(0.1), np.float64(0.2)], [0.1, 0.2]),
        (None, [np.nan, np.nan]),
    ],
)
def test_missing_and_impossible_extinction_is_unknown(ebv, read):
    found = read_request({"images": IMAGES, "ebv": ebv}, None).ebv
    np.testing.assert_allclose(found, np.array(read, np.float32))


def test_parameters_say_the_same_as_the_mapping():
    request = read_request(IMAGES, {"ebv": [0.1, 0.2], "pdf": True})
    assert request.pdf
    np.testing.assert_allclose(request.ebv, [0.1, 0.2])
    mixed = read_request({"images": IMAGES, "pdf": True}, {"ebv": [0.1, 0.2], "pdf": False})
    assert mixed.pdf
    np.testing.assert_allclose(mixed.ebv, [0.1, 0.2])


def test_an_array_may_hold_any_number_of_galaxies():
    many = np.broadcast_to(IMAGES[:1], (LARGEST_BATCH + 1, 32, 32, 5))
    assert len(read_request(many, None).images) == LARGEST_BATCH + 1


def nested(value, *sizes):
    for size in reversed(sizes):
        value = [value] * size
    return value


BAD = {
    "null": (None, "images is null; expected numbers"),
    "number": (3.5, "images is a number; expected numbers"),
    "table": (object(), "images is a object"),
    "another shape": (
        IMAGES[:, :16],
        r"expected shape \(N, 32, 32, 5\); received \(2, 16, 32, 5\)",
    ),
    "one galaxy without its axis": (IMAGES[0], r"received \(32, 32, 5\)"),
    "lists of another shape": (nested(0.1, 2, 16, 32, 5), r"received \(2, 16, 32, 5\)"),
    "channels first": (nested(0.1, 1, 5, 32, 32), r"received \(1, 5, 32, 32\)"),
    "too deep": (nested(0.1, 1, 32, 32, 5, 2), r"received \(1, 32, 32, 5, 2\)"),
    "deeper than numpy goes": (nested(0.1, *[1] * 40), "dimensions; expected numbers of shape"),
    "ragged ebv": (
        {"images": IMAGES, "ebv": [[0.1], [0.2, 0.3]]},
        "ebv has lists of unequal lengths; expected one number per galaxy",
    ),
    "ragged": ([*IMAGES.tolist(), IMAGES[0, :5].tolist()], "unequal lengths"),
    "words": (nested("a", 1, 32, 32, 5), "images has text in it; expected numbers, or null"),
    "numbers as text": (nested("1.5", 1, 32, 32, 5), "images has text in it"),
    "truths": (nested(True, 1, 32, 32, 5), "images has true or false in it"),
    "objects": (nested({}, 1, 32, 32, 5), "images has an object in it"),
    "array of text": (IMAGES.astype(str), "images: expected real numbers; received an array of <U"),
    "endless number": (nested(10**400, 1, 32, 32, 5), "too large"),
    "not base64": ("not base64!", "images is text but not base64"),
    "not ASCII": ("é", "images is text but not base64"),
    "half a galaxy": (
        text_of(IMAGES[0, :16]),
        "base64 of 10240 bytes; expected a multiple of 20480",
    ),
    "no galaxy": ([], "images holds no galaxy; expected at least one"),
    "empty array": (IMAGES[:0], "images holds no galaxy"),
    "empty mapping": ({}, "inputs has no key images"),
    "too many as lists": ([0] * 1025, "holds 1025 galaxies; expected 1024 at most"),
    "too many as text": (text_of(np.zeros((1025, 32, 32, 5))), "holds 1025 galaxies"),
    "unknown key": ({"images": IMAGES, "evb": []}, "has the key 'evb'; expected images, ebv, pdf"),
    "long key": ({"k" * 10_000: 1}, "has the key 'kkk"),
    "short ebv": ({"images": IMAGES, "ebv": [0.1]}, r"ebv: expected shape \(2,\); received \(1,\)"),
    "no ebv": ({"images": IMAGES, "ebv": []}, r"ebv: expected shape \(2,\); received \(0,\)"),
    "nested ebv": ({"images": IMAGES, "ebv": [[0.1], [0.2]]}, r"received \(2, 1\)"),
    "one ebv": ({"images": IMAGES, "ebv": 0.1}, "ebv is a number; expected a list of numbers"),
    "ebv in words": ({"images": IMAGES, "ebv": ["a", "b"]}, "ebv has text in it"),
    "pdf in words": ({"images": IMAGES, "pdf": "yes"}, "pdf is text; expected true or false"),
    "pdf as number": ({"images": IMAGES, "pdf": 1}, "pdf is a number; expected true or false"),
}


@pytest.mark.parametrize(("asked", "sentence"), BAD.values(), ids=BAD)
def test_a_fault_is_one_sentence(asked, sentence):
    with pytest.raises(RequestError, match=sentence) as refused:
        read_request(asked, None)
    message = refused.value.message
    assert "\n" not in message
    assert len(message) < 250
    assert message.endswith(".")
    assert refused.value.get_http_status_code() == 400


def test_a_value_is_given_once():
    with pytest.raises(RequestError, match="ebv is given both in inputs and in params"):
        read_request({"images": IMAGES, "ebv": [0.1, 0.2]}, {"ebv": [0.1, 0.2]})


def test_the_sentence_survives_what_mlflow_puts_before_it():
    error = RequestError("One sentence.")
    assert isinstance(error, MlflowException)
    error.message = f"Failed to predict data '{IMAGES}'. \nError: {error.message}"
    assert error.message == "One sentence."
    assert "One sentence." in error.serialize_as_json()
    assert "Failed" not in error.serialize_as_json()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(["images", "ebv", "pdf", "x"]), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(JSON, st.none() | st.dictionaries(st.sampled_from(["ebv", "pdf"]), JSON))
def test_whatever_json_is_sent_is_refused_in_words(asked, params):
    with pytest.raises(RequestError):
        read_request(asked, params)


@given(JSON, JSON)
def test_whatever_goes_with_good_images_is_read_or_refused_in_words(ebv, pdf):
    try:
        request = read_request({"images": IMAGES, "ebv": ebv, "pdf": pdf}, None)
    except RequestError:
        return
    assert request.ebv.shape == (2,)
    assert not (request.ebv < 0).any()
    assert pdf in (True, False, None)
