"""Draws -> the sources of each stamp: its galaxy, and what lies beside it by chance."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pix2z.config.sky import Conditions
from pix2z.imaging import EXTINCTION_PER_EBV, PIXEL_SCALE, SKY_SIGMA
from pix2z.sky import morphology
from pix2z.sky.cosmology import distance_modulus, kpc_per_arcsec, redshift_at_modulus
from pix2z.sky.draws import GALAXY_DRAWS, shared_uniforms
from pix2z.sky.neighbours import Neighbours, draw_neighbours
from pix2z.sky.observing import PSF_FWHM, correlated_scatter
from pix2z.sky.parents import Z_RANGE, Parents
from pix2z.sky.plan import StampPlan, flux_at, moved_redshift
from pix2z.sky.profiles import WING_SHARE
from pix2z.sky.rendering import Sources
from pix2z.sky.resolved import band_bulge_fractions, bulge_template_share
from pix2z.sky.templates import TEMPLATE_SCATTER
from pix2z.sky.undetected import Undetected, draw_undetected

__all__ = ["Scene", "draw_scene"]

Array = NDArray[np.float64]
Uniforms = Mapping[str, Array]

EDGE_SHARE = 0.02
_FIXED_SIZE = (2.5, 0.45)
"""Median (arcsec) and ln scatter of half-light radii in the ablation without redshift: those of the
default sky."""

_STAR_LOCUS = np.array(
    [  # g - i, u - g, g - r, r - i, i - z: main sequence, rounded from Covey et al. (2007, table 3)
        [0.4, 1.05, 0.32, 0.08, 0.02],
        [1.0, 1.70, 0.72, 0.28, 0.14],
        [1.5, 2.30, 1.05, 0.45, 0.25],
        [2.0, 2.50, 1.28, 0.72, 0.39],
        [2.6, 2.55, 1.42, 1.18, 0.64],
    ]
)


@dataclass(frozen=True)
class Scene:
    """A block of N stamps, drawn but not rendered.

    z, ebv : (N,); sky_sigma : (N, 5) nanomaggies; calibration : (N, 5), seen over true flux, of the
    stamp's field and so of all that is in it; template_scatter : (N, 5), true over fitted flux of
    the galaxy; bulge_template_share : (N, 5), share of each template that is in its bulge;
    galaxy : the N sources that matter; neighbour : M more, in the stamps `neighbour_stamp` (M,);
    undetected : galaxies that are fainter yet; sky_offset : (N, 5) nanomaggies per pixel that the
    subtraction of the sky left.
    """

    z: Array
    ebv: Array
    sky_sigma: Array
    calibration: Array
    template_scatter: Array
    bulge_template_share: Array
    galaxy: Sources
    neighbour: Sources
    neighbour_stamp: NDArray[np.int64]
    undetected: Undetected
    sky_offset: Array


def draw_scene(
    parents: Parents,
    plan: StampPlan,
    uniforms: Uniforms,
    *,
    seed: int,
    max_shift: float,
    conditions: Conditions,
    size_depends_on_redshift: bool,
) -> Scene:
    """Turn the uniform draws of the stamps in `plan` into sources.

    What several stamps share is drawn by `seed`: a galaxy's departure from its templates, which its
    moved stamps keep, and the calibration of a field. A moved stamp lies in a field of its own.
    """
    moved = plan.copy > 0
    z = parents.z[plan.row].copy()
    z[moved] = moved_redshift(
        parents,
        rows=plan.row[moved],
        uniform=uniforms["redshift"][moved],
        max_shift=max_shift,
    )
    # An unmoved stamp keeps its own line of sight; a moved one takes another parent's.
    elsewhere = parents.ebv[(uniforms["ebv"] * len(parents)).astype(np.int64)]
    ebv = np.where(moved, elsewhere, parents.ebv[plan.row])
    psf_fwhm = PSF_FWHM * correlated_scatter(
        uniforms["seeing"], uniforms["seeing_band"], sigma=conditions.seeing_scatter
    )
    psf_wings = WING_SHARE * np.exp(conditions.wing_scatter * ndtri(uniforms["wings"]))
    of_field = shared_uniforms(seed, "field", parents.field[plan.row])
    calibration = np.exp(
        np.array(conditions.calibration_error)
        * ndtri(np.where(moved[:, None], uniforms["calibration"], of_field))
    )
    throughput = _transmission(ebv) * calibration
    of_galaxy = shared_uniforms(seed, "galaxy", parents.index[plan.row])
    scatter = np.exp(TEMPLATE_SCATTER * ndtri(of_galaxy))
    galaxy, share = _galaxies(
        parents,
        rows=plan.row,
        z=z,
        flux=flux_at(parents, rows=plan.row, z=z) * scatter * throughput,
        psf_fwhm=psf_fwhm,
        psf_wings=psf_wings,
        uniforms={name: uniforms[f"galaxy_{name}"] for name in GALAXY_DRAWS},
        size_depends_on_redshift=size_depends_on_redshift,
    )
    galaxy_r = 22.5 - 2.5 * np.log10(galaxy.flux[:, 2])
    beside = draw_neighbours(uniforms, galaxy_r, limit=conditions.neighbour_limit)
    sky_sigma = np.array(SKY_SIGMA) * correlated_scatter(
        uniforms["sky"], uniforms["sky_band"], sigma=np.array(conditions.sky_noise_scatter)
    )
    return Scene(
        z=z,
        ebv=ebv,
        sky_sigma=sky_sigma,
        calibration=calibration,
        template_scatter=scatter,
        bulge_template_share=share,
        galaxy=galaxy,
        neighbour=_neighbours(parents, beside, throughput, psf_fwhm, psf_wings, uniforms),
        neighbour_stamp=beside.stamp,
        undetected=draw_undetected(
            parents,
            uniforms,
            throughput,
            psf_fwhm=psf_fwhm,
            psf_wings=psf_wings,
            brightest=conditions.neighbour_limit,
            faintest=conditions.undetected_limit,
        ),
        sky_offset=sky_sigma
        * (
            conditions.sky_offset_mean
            + conditions.sky_offset_scatter * ndtri(uniforms["sky_offset"])
        ),
    )


def _transmission(ebv: Array) -> Array:
    """Return what Galactic dust lets through in ugriz, (N, 5)."""
    result: Array = 10 ** (-0.4 * ebv[:, None] * np.array(EXTINCTION_PER_EBV))
    return result


def _galaxies(
    parents: Parents,
    *,
    rows: NDArray[np.int64],
    z: Array,
    flux: Array,
    psf_fwhm: Array,
    psf_wings: Array,
    uniforms: Uniforms,
    size_depends_on_redshift: bool,
) -> tuple[Sources, Array]:
    """Draw the shapes of galaxies, centred within half a pixel of the stamp's centre.

    Also returned is the share (N, 5) of each template that is in the bulge.
    """
    colour = parents.colour[rows]
    early = morphology.draw_early(colour, uniforms["early"])
    if size_depends_on_redshift:
        kpc = morphology.half_light_radius_kpc(parents.absolute_r[rows], early, uniforms["size"])
        radius = kpc / kpc_per_arcsec(z)
    else:
        median, scatter = _FIXED_SIZE
        radius = median * np.exp(scatter * ndtri(uniforms["size"]))
    fraction_r = morphology.bulge_fraction_r(colour, early, uniforms["bulge"])
    disc, bulge = morphology.split_radius(radius, fraction_r, early, uniforms["radius_ratio"])
    cos_i = morphology.cos_inclination(colour, early, uniforms["inclination"])
    bulge_axis_ratio = 0.55 + 0.45 * uniforms["bulge_axis_ratio"]
    # The relation's radii are circular. Spheroids keep their area; discs keep their face-on radius,
    # the circular one of a disc at the median inclination of 60 degrees.
    median_axis_ratio = morphology.apparent_axis_ratio(np.array(0.5))
    spectrum = {"z": z, "coefficients": parents.coefficients[rows]}
    share = bulge_template_share(
        parents.templates,
        **spectrum,
        fraction_r=fraction_r,
        redder=morphology.bulge_minus_disc(early, uniforms["bulge_colour"]),
    )
    galaxies = Sources(
        flux=flux,
        bulge_fraction=band_bulge_fractions(parents.templates, **spectrum, share=share),
        disc_half_light_radius=disc / np.sqrt(median_axis_ratio),
        bulge_half_light_radius=bulge / np.sqrt(bulge_axis_ratio),
        disc_axis_ratio=morphology.apparent_axis_ratio(cos_i),
        bulge_axis_ratio=bulge_axis_ratio,
        position_angle=180 * uniforms["angle"],
        offset_x=(uniforms["x"] - 0.5) * PIXEL_SCALE,
        offset_y=(uniforms["y"] - 0.5) * PIXEL_SCALE,
        psf_fwhm=psf_fwhm,
        psf_wings=psf_wings,
    )
    return galaxies, share


def _neighbours(
    parents: Parents,
    beside: Neighbours,
    throughput: Array,
    psf_fwhm: Array,
    psf_wings: Array,
    uniforms: Uniforms,
) -> Sources:
    """Stars and galaxies of the drawn magnitudes, seen through the sky of their stamps.

    A galaxy is another parent's, moved to where it is as faint as drawn. What is fainter yet than
    at the end of `Z_RANGE` is a smaller galaxy of the same surface brightness there.
    """
    drawn = {
        name.removeprefix("neighbour_"): values[beside.stamp, beside.slot]
        for name, values in uniforms.items()
        if name.startswith("neighbour_") and values.ndim == 2
    }
    rows = (drawn["parent"] * len(parents)).astype(np.int64)
    fainter = beside.magnitude - (22.5 - 2.5 * np.log10(parents.flux[rows, 2]))
    z = redshift_at_modulus(distance_modulus(parents.z[rows]) + fainter).clip(*Z_RANGE)
    intrinsic = np.where(
        beside.star[:, None], _star_flux(drawn["colour"]), flux_at(parents, rows=rows, z=z)
    )
    dimming = 10 ** (-0.4 * (beside.magnitude - 22.5)) / intrinsic[:, 2]
    galaxies, _ = _galaxies(
        parents,
        rows=rows,
        z=z,
        flux=intrinsic * dimming[:, None] * throughput[beside.stamp],
        psf_fwhm=psf_fwhm[beside.stamp],
        psf_wings=psf_wings[beside.stamp],
        uniforms=drawn,
        size_depends_on_redshift=True,
    )
    shrink = np.where(beside.star, 0.0, np.sqrt(dimming))
    return replace(
        galaxies,
        disc_half_light_radius=galaxies.disc_half_light_radius * shrink,
        bulge_half_light_radius=galaxies.bulge_half_light_radius * shrink,
        offset_x=beside.x,
        offset_y=beside.y,
    )


def _star_flux(uniform: Array) -> Array:
    """Relative ugriz fluxes (M, 5) of main-sequence stars, g - i uniform over the locus."""
    g_i = _STAR_LOCUS[0, 0] + uniform * (_STAR_LOCUS[-1, 0] - _STAR_LOCUS[0, 0])
    u_g, g_r, r_i, i_z = (
        np.interp(g_i, _STAR_LOCUS[:, 0], _STAR_LOCUS[:, column]) for column in range(1, 5)
    )
    magnitude = np.stack([u_g, 0 * g_r, -g_r, -g_r - r_i, -g_r - r_i - i_z], axis=1)
    result: Array = 10 ** (-0.4 * magnitude)
    return result
