"""The checks of ingest are quiet on stamps of real sources cut from real frames."""

from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter

from pix2z.archive.frames import cut_stamps, read_frame
from pix2z.ingest.columns import assemble
from pix2z.ingest.plausibility import photometry_problems
from pix2z.ingest.raw import RawFile, RawSurvey

SKY_LEVEL = np.array([0.2, 0.3, 0.69, 1.2, 3.3], np.float32)  # nanomaggies per pixel, SDSS


def problems(images: np.ndarray) -> tuple[str, ...]:
    n = len(images)
    survey = RawSurvey(
        path=Path("raw.h5"),
        layout="sdss32",
        files=(RawFile(Path("raw.h5"), n),),
        source="a test",
        table=assemble({}, n=n, path="raw.h5", no_redshift="none"),
        converted={},
        read_images=lambda start, stop: images[start:stop],
    )
    return photometry_problems(survey)


def test_real_sources_pass_and_their_counts_do_not(real_data):
    paths = {b: real_data / f"frames/frame-{b}-001043-5-0025.fits.bz2" for b in "ugriz"}
    frames = {band: read_frame(path) for band, path in paths.items()}
    pixels = frames["r"].pixels
    peaks = np.argwhere((pixels > 1.0) & (pixels == maximum_filter(pixels, 15)))
    peaks = peaks[np.all((peaks > 40) & (peaks < np.array(pixels.shape) - 40), axis=1)][:60]
    assert len(peaks) == 60
    sky = np.transpose(frames["r"].wcs.all_pix2world(peaks[:, 1], peaks[:, 0], 0))
    images = np.array([cut_stamps(frames, ra=float(ra), dec=float(dec)) for ra, dec in sky])
    images = images.astype(np.float32)
    assert problems(images) == ()
    assert problems(images * 213)
    assert problems(images + SKY_LEVEL)
    assert problems(images[..., ::-1])
    for one in images[:5]:
        assert problems(one[None]) == ()
