"""Stamps cut from small frames, pixels of which are masked."""

import numpy as np
import pytest

from pix2z.archive.frames import cut_stamps, read_frame
from tests.archive.synthetic_sdss import DEC, RA, frame_bytes, place_in

SIGMA = 0.005
"""Noise of the frames' sky."""


@pytest.fixture
def frames(tmp_path):
    """The r frame, of a galaxy of 750 sigma at its core."""
    (tmp_path / "frame-r.fits.bz2").write_bytes(frame_bytes("r"))
    return {"r": read_frame(tmp_path / "frame-r.fits.bz2")}


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("size", [1, 3])
def test_masked_pixels_leave_the_others_as_they_are(frames, value, size):
    """Once, a NaN at the core was 0 when it was shifted, and rang through 64 pixels."""
    whole = cut_stamps(frames, ra=RA, dec=DEC)[..., 2]
    column, row = (int(place) for place in place_in("r"))
    frames["r"].pixels[row : row + size, column : column + size] = value
    masked = cut_stamps(frames, ra=RA, dec=DEC)[..., 2]
    lost = np.isnan(masked)
    assert size**2 <= lost.sum() <= (size + 1) ** 2
    assert np.abs(np.argwhere(lost) - 15.5).max() < 3
    assert np.abs((masked - whole)[~lost]).max() < 3 * SIGMA


def test_a_stamp_without_masked_pixels_is_only_shifted(frames):
    """Its flux is that of the frame around the place."""
    stamp = cut_stamps(frames, ra=RA, dec=DEC)[..., 2]
    assert np.isfinite(stamp).all()
    assert stamp.sum() == pytest.approx(150.0, rel=0.01)
