"""Which galaxies and mistakes the flag "unlike the training galaxies" catches, on a finished run.

Planted cases are made of the test galaxies of ``data/galaxies.h5``, or rendered from the same real
galaxies, and sent through ``models/full``; nothing is fitted or chosen here.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.config.sky import SkyConfig
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.imaging import BANDS, EXTINCTION_PER_EBV, PIXEL_SCALE, SKY_SIGMA
from pix2z.network.estimator import load_pool
from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.redshift_pdf.redshifts import Redshifts
from pix2z.sky.cosmology import distance_modulus
from pix2z.sky.draws import stamp_generators, stamp_uniforms
from pix2z.sky.observing import pixel_variance
from pix2z.sky.parents import Parents, load_parents
from pix2z.sky.plan import StampPlan
from pix2z.sky.rendering import Sources, render
from pix2z.sky.scene import Scene, _star_flux, draw_scene
from pix2z.sky.semireal import add_surroundings
from pix2z.sky.templates import load_template_grid

GALAXIES, SPLIT, POOL = Path("data/galaxies.h5"), Path("data/splits/full.h5"), Path("models/full")
N_RENDERED = 1000
SEED = 12
BITS = {
    "unlike": ImageFlag.UNLIKE_SAMPLE,
    "at_grid_end": ImageFlag.AT_GRID_END,
    "several_modes": ImageFlag.SEVERAL_MODES,
}

Case = tuple[str, np.ndarray, np.ndarray]
"""Name, images (n, 32, 32, 5) and E(B-V) (n,)."""


def bench_unlike() -> dict[str, Any]:
    """Share of each case that each flag is set for, and of test galaxies with their outliers."""
    pool = load_pool(POOL)
    with open_galaxies(GALAXIES) as galaxies:
        rows = read_split(SPLIT).test
        images, ebv = galaxies.images(rows), galaxies.column("ebv", rows)
        z_spec = galaxies.column("specz_redshift", rows)
        parent = galaxies.column("object_id", rows) // 10  # as sky.semireal numbers them
    results: dict[str, Any] = {"test": _of_test(pool.estimate(images, ebv), z_spec)}
    parents = load_parents(load_template_grid(z_max=0.6), faint_limit=17.8)
    of_test = np.flatnonzero(np.isin(parents.index, parent))
    for name, altered, known in (
        *_altered(images, ebv),
        *_missing(images, ebv),
        *_rendered(parents, np.random.default_rng(SEED).permutation(of_test)[:N_RENDERED]),
    ):
        results[name] = _shares(pool.estimate(altered, known).flags)
    return results


def _shares(flags: np.ndarray) -> dict[str, float]:
    return {"n": len(flags)} | {n: float((flags & bit != 0).mean()) for n, bit in BITS.items()}


def _of_test(found: Redshifts, z_spec: np.ndarray) -> dict[str, Any]:
    outlier = np.abs(found.z_phot - z_spec) > 0.05 * (1 + z_spec)
    shares: dict[str, Any] = _shares(found.flags) | {"outliers": float(outlier.mean())}
    for name, bit in BITS.items():
        flagged = found.flags & bit != 0
        shares[f"outliers_{name}"] = float(outlier[flagged].mean()) if flagged.any() else None
    return shares


def _altered(images: np.ndarray, ebv: np.ndarray) -> Iterator[Case]:
    """Mistakes that people make with images of galaxies like those of the sample."""
    for factor in (1.2, 1 / 1.2, 2, 0.5):
        yield f"all bands x {factor:.2f}", images * np.float32(factor), ebv
    for number, band in enumerate(BANDS):
        for factor in (1.2, 1 / 1.2):
            scaled = images.copy()
            scaled[..., number] *= factor
            yield f"{band} x {factor:.2f}", scaled, ebv
        for pixels in (2, 4):
            shifted = images.copy()
            shifted[..., number] = np.roll(shifted[..., number], pixels, axis=1)
            yield f"{band} shifted by {pixels} pixels", shifted, ebv
    for number, pair in enumerate(zip(BANDS, BANDS[1:], strict=False)):
        order = [*range(5)]
        order[number], order[number + 1] = order[number + 1], order[number]
        yield f"{pair[0]} and {pair[1]} swapped", images[..., order], ebv
    yield "bands reversed", images[..., ::-1], ebv
    yield "E(B-V) 0.3 too high", images, ebv + np.float32(0.3)
    noise = np.random.default_rng(SEED).normal(size=images.shape) * np.array(SKY_SIGMA)
    yield "empty sky", noise.astype(np.float32), ebv


def _missing(images: np.ndarray, ebv: np.ndarray) -> Iterator[Case]:
    """Make galaxies that lack something, which is no reason to call them unlike."""
    for number, band in enumerate(BANDS):
        absent = images.copy()
        absent[..., number] = np.nan
        yield f"{band} absent", absent, ebv
    edge = images.copy()
    edge[:, :8] = np.nan
    yield "a quarter masked", edge, ebv
    yield "E(B-V) unknown", images, np.full_like(ebv, np.nan)


def _rendered(parents: Parents, rows: np.ndarray) -> Iterator[Case]:
    """Galaxies like the sample, drawn anew; stars, z above 0.4 and other pixels."""
    rng = np.random.default_rng(SEED)
    scene = _scene(parents, rows)
    yield "like the sample, drawn anew", *_observed(scene, scene.galaxy, rng)
    for bright, faint in ((14, 16), (16, 17), (17, 18)):
        stars = _stars(scene, rng.uniform(bright, faint, len(rows)), rng)
        yield f"stars, r {bright} to {faint}", *_observed(scene, stars, rng, alone=True)
    far = _scene(_far(parents, len(rows), rng), np.arange(len(rows)))
    yield "red galaxies at z 0.4 to 0.6", *_observed(far, far.galaxy, rng)
    dimming = (scene.galaxy.flux[:, 2] / far.galaxy.flux[:, 2])[:, None]
    as_bright = replace(far.galaxy, flux=far.galaxy.flux * dimming)
    yield "the same, as bright as the sample", *_observed(far, as_bright, rng)
    for scale in (0.2, 0.3, 0.6):  # rendered as it would look in pixels of that size
        zoom = PIXEL_SCALE / scale
        lengths = {
            name: zoom * getattr(scene.galaxy, name)
            for name in vars(scene.galaxy)
            if "radius" in name or name in ("psf_fwhm", "offset_x", "offset_y")
        }
        seen = replace(scene, sky_sigma=scene.sky_sigma / zoom)
        zoomed = _observed(seen, replace(scene.galaxy, **lengths), rng, alone=True)
        yield f"pixels of {scale} arcsec", *zoomed


def _scene(parents: Parents, rows: np.ndarray) -> Scene:
    plan = StampPlan(row=rows, copy=np.zeros(len(rows), np.int64))
    uniforms = stamp_uniforms(stamp_generators(SEED, parents.index[rows], plan.copy))
    return draw_scene(
        parents,
        plan,
        uniforms,
        seed=SEED,
        max_shift=0.0,
        size_depends_on_redshift=True,
        conditions=SkyConfig.read().conditions,
    )


def _observed(
    scene: Scene, sources: Sources, rng: np.random.Generator, *, alone: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Noisy stamps of sources, with the scene's neighbours unless they are alone, and E(B-V)."""
    stamps = render(sources)
    if not alone:
        add_surroundings(stamps, scene)
    noise = rng.standard_normal(stamps.shape, np.float32)
    stamps += np.sqrt(pixel_variance(stamps, scene.sky_sigma)) * noise
    stamps += scene.sky_offset.astype(np.float32)[..., None, None]
    return np.moveaxis(stamps, 1, -1), scene.ebv.astype(np.float32)


def _stars(scene: Scene, r: np.ndarray, rng: np.random.Generator) -> Sources:
    """Point sources of magnitudes r (n,) on the main sequence, in the place of the galaxies."""
    flux = _star_flux(rng.random(len(r)))
    flux *= 10 ** (-0.4 * scene.ebv[:, None] * np.array(EXTINCTION_PER_EBV))
    flux *= (10 ** (0.4 * (22.5 - r)) / flux[:, 2])[:, None]
    none = np.zeros(len(r))
    return replace(
        scene.galaxy,
        flux=flux,
        bulge_fraction=np.zeros_like(flux),
        disc_half_light_radius=none,
        bulge_half_light_radius=none,
    )


def _far(parents: Parents, n: int, rng: np.random.Generator) -> Parents:
    """Red, luminous parents seen at z 0.4 to 0.6, fainter and smaller by their distance."""
    red = np.flatnonzero((parents.colour > 2.2) & (parents.absolute_r < -22))
    rows, z = rng.choice(red, n), rng.uniform(0.4, 0.6, n)
    dimming = 10 ** (-0.4 * (distance_modulus(z) - distance_modulus(parents.z[rows])))
    chosen = {k: v[rows] for k, v in vars(parents).items() if isinstance(v, np.ndarray)}
    chosen |= {"z": z, "coefficients": chosen["coefficients"] * dimming[:, None]}
    return replace(parents, **chosen)
