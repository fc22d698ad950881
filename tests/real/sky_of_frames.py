"""What real frames show of sky and PSF, beside the rendered sky: the numbers in docs/design.md.

PIX2Z_REAL_DATA=FOLDER python -m tests.real.sky_of_frames
"""

import os
from pathlib import Path

import numpy as np
import sep
from scipy.optimize import least_squares

from pix2z.archive.frames import cut_stamps, read_frames
from pix2z.config.sky import SkyConfig
from pix2z.dataset.photometry import aperture_photometry
from pix2z.imaging import BANDS
from pix2z.sky.draws import pixel_noise, stamp_generators, stamp_uniforms
from pix2z.sky.observing import pixel_variance
from pix2z.sky.parents import load_parents
from pix2z.sky.plan import plan_stamps
from pix2z.sky.scene import draw_scene
from pix2z.sky.semireal import add_surroundings
from pix2z.sky.templates import load_template_grid

SETTING = ("003918-3-0213", "001043-5-0025")
"""Fields that set how uneven the rendered sky is; the others are looked at beside them."""
OTHERS = ("005112-4-0345", "000094-1-0012")

N_PLACES, N_RENDERED, SEED = 700, 2800, 5
WIDEST = -1
"""Of the apertures: 6 arcsec."""


def places(frames, rng):
    """Stamps (N, 32, 32, 5) at random places of a field, whatever is there."""
    rows, columns = frames["r"].pixels.shape
    at = rng.uniform((30, 30), (columns - 30, rows - 30), (N_PLACES, 2))
    ra, dec = frames["r"].wcs.all_pix2world(*at.T, 0)
    return np.stack([cut_stamps(frames, ra=a, dec=d) for a, d in zip(ra, dec, strict=True)])


def rendered_places():
    """The same of the rendered sky, without the galaxies of its stamps."""
    parents = load_parents(load_template_grid(), faint_limit=17.8)
    fractions = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}
    plan = plan_stamps(
        parents.index,
        n_parents=N_RENDERED,
        n_stamps=N_RENDERED,
        seed=1,
        split_seed=2,
        fractions=fractions,
    )
    generators = stamp_generators(1, parents.index[plan.row], plan.copy)
    scene = draw_scene(
        parents,
        plan,
        stamp_uniforms(generators),
        seed=1,
        max_shift=0.03,
        conditions=SkyConfig.read().conditions,
        size_depends_on_redshift=True,
    )
    stamps = np.zeros((N_RENDERED, 5, 32, 32), np.float32)
    add_surroundings(stamps, scene)
    stamps += np.sqrt(pixel_variance(stamps, scene.sky_sigma)) * pixel_noise(
        generators, stamps.shape[1:]
    )
    stamps += scene.sky_offset.astype(np.float32)[..., None, None]
    return stamps.transpose(0, 2, 3, 1)


def unevenness(stamps):
    """Fluxes within 6 arcsec in errors by the noise of a pixel, and how adjacent pixels correlate.

    Returned are median, half of the central 68 %, and the correlation, each (5,); it is of stamps
    without a source in r, clipped at 3 sigma.
    """
    flux, error, _ = aperture_photometry(stamps)
    pull = (flux / error)[:, WIDEST]
    low, median, high = np.nanpercentile(pull, [16, 50, 84], axis=0)
    quiet = stamps[np.abs(pull[:, BANDS.index("r")]) < 4]
    pixels = quiet - np.nanmedian(quiet, axis=(1, 2), keepdims=True)
    pixels /= 1.4826 * np.nanmedian(np.abs(pixels), axis=(1, 2), keepdims=True)
    pixels = np.clip(pixels, -3, 3)
    products = np.nanmean(pixels[:, :, 1:] * pixels[:, :, :-1], axis=(0, 1, 2))
    return median, (high - low) / 2, products / np.nanmean(pixels**2, axis=(0, 1, 2))


def wing_share(frame):
    """Median share of light in the wings of two-Gaussian fits to stars, and how many they are."""
    pixels = np.ascontiguousarray(frame.pixels, np.float32)
    sky = sep.Background(pixels, bw=256, bh=256)
    pixels = pixels - sky.back()
    found = sep.extract(pixels, 10, err=sky.globalrms, minarea=8)
    half, _ = sep.flux_radius(pixels, found["x"], found["y"], np.full(len(found), 12.0), 0.5)
    round_ones = (found["peak"] > 40 * sky.globalrms) & (found["flag"] == 0)
    round_ones &= found["a"] < 1.25 * found["b"]
    round_ones &= np.abs(half / np.percentile(half[round_ones], 30) - 1) < 0.12
    shares = [_fitted(pixels, found[row], sky.globalrms) for row in np.flatnonzero(round_ones)[:40]]
    return np.nanmedian(shares), len(shares)


def _fitted(pixels, star, noise, reach=12):
    column, row = round(star["x"]), round(star["y"])
    stamp = pixels[row - reach : row + reach + 1, column - reach : column + reach + 1]
    if stamp.shape != (2 * reach + 1,) * 2:
        return np.nan
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    sigma = np.sqrt(noise**2 + np.maximum(stamp, 0) / 700 + (0.02 * stamp) ** 2)

    def residual(p):
        peak, x0, y0, width, wings, ratio = p
        r2 = (x - x0) ** 2 + (y - y0) ** 2
        model = np.exp(-r2 / 2 / width**2) + wings * np.exp(-r2 / 2 / (width * ratio) ** 2)
        return ((peak * model - stamp) / sigma).ravel()

    bounds = ([0, -3, -3, 0.6, 0, 1.4], [1e5, 3, 3, 4, 0.8, 4])
    *_, wings, ratio = least_squares(residual, [stamp.max(), 0, 0, 1.3, 0.1, 2], bounds=bounds).x
    return wings * ratio**2 / (1 + wings * ratio**2)


def say(*words):
    print(*words, flush=True)  # noqa: T201


def main():
    """Print the numbers."""
    folder = Path(os.environ.get("PIX2Z_REAL_DATA", "../shared/real")) / "frames"
    rng = np.random.default_rng(SEED)
    stamps = {}
    for name in (*SETTING, *OTHERS):
        frames = read_frames({band: folder / f"frame-{band}-{name}.fits.bz2" for band in BANDS})
        stamps[name] = places(frames, rng)
        shares = [wing_share(frames[band]) for band in BANDS]
        say(name, "light in wings, stars:", *(f"{share:.2f} ({n})" for share, n in shares))
    sets = {
        "two that set it": np.concatenate([stamps[name] for name in SETTING]),
        "two others": np.concatenate([stamps[name] for name in OTHERS]),
        "all four": np.concatenate(list(stamps.values())),
        "rendered": rendered_places(),
    }
    for name, some in sets.items():
        for what, values in zip(("median", "scatter", "pixels"), unevenness(some), strict=True):
            say(f"{name:16s} {what:8s}", *(f"{value:.3f}" for value in values))


if __name__ == "__main__":
    main()
