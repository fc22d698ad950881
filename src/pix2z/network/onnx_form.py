"""The ONNX form of a pool: all its networks in one graph, for who wants redshifts without Keras.

::

    images (N, 32, 32, 5), ebv (N,)  ->  density (N, K), or redshift (N,) of the published CNN,
                                         aperture_flux (N, 7, 5), log_sky (N, 5)

It is written from the saved weights, without Keras, and is the arithmetic of `layers` and
`architectures` once more; a test holds the two together. Masking and photometry, which have no
weights, are computed once for all members. Stamps without NaN take a way through the graph that
does without masking. What leaves is not calibrated: pool.json holds the calibration.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import SOFTMAX_CONFIGS, CatalogueConfig, HybridConfig, SoftmaxConfig
from pix2z.dataset import photometry
from pix2z.files import atomic_path
from pix2z.imaging import EXTINCTION_PER_EBV, SKY_SIGMA
from pix2z.network.onnx_graph import Graph
from pix2z.network.onnx_stamps import Measured, measure
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.saved.sealed import read_member

__all__ = ["write_onnx_form"]

WORDS = """\
Redshifts of galaxies by {networks} of pix2z ({architecture}), not calibrated.
images: (N, 32, 32, 5) nanomaggies, bands u g r i z last, NaN where a pixel is masked or a band is
absent. ebv: Galactic E(B-V) in mag, NaN where unknown. {output} aperture_flux: nanomaggies inside
circles of {radii} arcsec, as observed. log_sky: natural logarithm of the sky noise per pixel in
nanomaggies."""

DENSITY = "density: probability per unit redshift in {n_bins} equal bins from {z_min} to {z_max}."
REDSHIFT = "redshift: a point estimate."

Weights = Mapping[str, Sequence[NDArray[np.float32]]]
"""Layer -> its arrays, in the order in which Keras saves them."""


def write_onnx_form(path: Path, networks: Sequence[Path]) -> None:
    """Write saved networks as one ONNX file, the same bytes for the same networks.

    Parameters
    ----------
    networks : folders of the members of a pool, of one grid and kind of output; one is enough.

    Raises
    ------
    IntegrityError
        A network is not what was saved.
    InputError
        A file cannot be read, or written.
    """
    members = [(read_member(folder), _read_weights(folder)) for folder in networks]
    content = _model(members).SerializeToString(deterministic=True)
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def _read_weights(folder: Path) -> Weights:
    """Read what `keras.Model.save_weights` wrote: a group per layer, which names itself."""
    with h5py.File(folder / "weights.weights.h5", "r") as file:
        groups = [layer["vars"] for layer in file["layers"].values()]
        return {
            str(group.attrs["name"]): [group[key][...] for key in sorted(group, key=int)]
            for group in groups
        }


def _model(members: Sequence[tuple[Mapping[str, Any], Weights]]) -> Any:
    described = members[0][0]
    grid, architecture = RedshiftGrid(**described["grid"]), described["architecture"]
    graph = Graph()
    section = SOFTMAX_CONFIGS.get(architecture)
    settings = section.model_validate(described["settings"]) if section else None
    radii = photometry.APERTURE_RADII_ARCSEC
    measured_radii = radii + tuple(radius for radius in _radii(settings) if radius not in radii)
    measured = measure(graph, "images", radii=measured_radii, pixels=_has_trunk(settings))
    if settings is None:
        raw = [_published_cnn(graph, saved["settings"], weights) for saved, weights in members]
        output, words = "redshift", REDSHIFT
        shape: list[int | str] = ["N"]
    else:
        apertures = [measured_radii.index(radius) for radius in _radii(settings)]
        inputs = _Inputs(graph, measured, apertures, settings)
        raw = [_softmax(graph, inputs, settings, weights) for _, weights in members]
        output, shape = "density", ["N", grid.n_bins]
        words = DENSITY.format(n_bins=grid.n_bins, z_min=grid.z_min, z_max=grid.z_max)
    scale = 1.0 / len(raw) / (grid.width if settings else 1.0)
    total = graph.node("Sum", *raw) if len(raw) > 1 else raw[0]
    graph.named(output, graph.node("Mul", total, graph.constant(scale)))
    graph.named("aperture_flux", graph.cut(measured.flux, 1, 0, len(radii)))
    graph.named("log_sky", measured.log_sky)
    return graph.model(
        {"images": ["N", 32, 32, 5], "ebv": ["N"]},
        {output: shape, "aperture_flux": ["N", len(radii), 5], "log_sky": ["N", 5]},
        words=WORDS.format(
            networks=f"the mean of {len(raw)} networks" if len(raw) > 1 else "a network",
            architecture=architecture,
            output=words,
            radii=", ".join(map(str, radii)),
        ),
    )


def _radii(settings: SoftmaxConfig | None) -> tuple[float, ...]:
    """Radii of the apertures that a network reads, arcsec."""
    if isinstance(settings, CatalogueConfig):
        return (settings.aperture_arcsec,)
    return photometry.APERTURE_RADII_ARCSEC


def _has_trunk(settings: SoftmaxConfig | None) -> bool:
    return isinstance(settings, HybridConfig) and bool(settings.trunk_filters)


class _Inputs:
    """What the members share: features and mask (N, F), and scaled pixels (N, 5, 16, 16)."""

    def __init__(
        self, graph: Graph, measured: Measured, apertures: list[int], settings: SoftmaxConfig
    ) -> None:
        ebv = "ebv"
        if not settings.use_ebv:
            ebv = graph.node("Mul", "ebv", graph.constant(np.nan))
        known_ebv, has_ebv = graph.without_nan(graph.reshape(ebv, -1, 1))
        slope = 0.4 * np.log(10.0) * np.array(EXTINCTION_PER_EBV)
        dereddening = graph.node("Exp", graph.node("Mul", known_ebv, graph.constant(slope[None])))
        flux = measured.flux
        if len(_radii(settings)) < len(photometry.APERTURE_RADII_ARCSEC):
            flux = graph.node("Gather", flux, graph.constant(apertures, np.int64), axis=1)
        parts = _photometry(graph, flux, dereddening, _radii(settings))
        if not isinstance(settings, CatalogueConfig):
            parts.append(graph.without_nan(measured.log_sky))
        parts.append((known_ebv, has_ebv))
        features, self.mask = (
            graph.node("Concat", *side, axis=1) for side in zip(*parts, strict=True)
        )
        self.features = graph.node("Mul", features, self.mask)
        self.pixels = ""
        if measured.pixels:
            scale = graph.constant(1.0 / (2.0 * np.array(SKY_SIGMA, np.float32))[None])
            factor = graph.reshape(graph.node("Mul", dereddening, scale), 0, 5, 1, 1)
            self.pixels = graph.asinh(graph.node("Mul", measured.pixels, factor))


def _photometry(
    graph: Graph, flux: str, dereddening: str, radii: tuple[float, ...]
) -> list[tuple[str, str]]:
    """Magnitudes and colours (N, n) and their masks, in the order of `layers.AsinhPhotometry`."""
    area = np.sqrt((photometry.aperture_weights(radii=radii) ** 2).sum(axis=0))
    softening = (area[:, None] * np.array(SKY_SIGMA)[None, :]).astype(np.float32)[None]
    known, present = graph.without_nan(flux)
    dereddened = graph.node("Mul", known, graph.reshape(dereddening, 0, 1, 5))
    scaled = graph.node("Div", dereddened, graph.constant(2.0 * softening))
    magnitudes = graph.node("Add", graph.asinh(scaled), graph.constant(np.log(softening)))
    colours = _of_neighbours(graph, "Sub", magnitudes)
    both_present = _of_neighbours(graph, "Mul", present)
    parts = [(magnitudes, present), (colours, both_present)]
    return [(graph.reshape(x, 0, -1), graph.reshape(mask, 0, -1)) for x, mask in parts]


def _of_neighbours(graph: Graph, operator: str, value: str) -> str:
    """Combine each band with the next, (N, A, 5) -> (N, A, 4)."""
    return graph.node(operator, graph.cut(value, 2, 0, 4), graph.cut(value, 2, 1, 5))


def _softmax(graph: Graph, inputs: _Inputs, settings: SoftmaxConfig, weights: Weights) -> str:
    """Probabilities (N, K) of one network."""
    mean, sd = (graph.constant(values[None]) for values in weights["standardise"])
    centred = graph.node("Div", graph.node("Sub", inputs.features, mean), sd)
    parts = [graph.node("Mul", centred, inputs.mask), inputs.mask]
    kernel, bias = weights["dense_0"]
    if inputs.pixels:
        trunk, shape = _trunk(graph, inputs.pixels, weights)
        parts.append(trunk)
        kernel = _for_bands_first(kernel, shape)
    x = graph.node("Concat", *parts, axis=1)
    for number in range(len(settings.dense_units)):
        kernel, bias = (kernel, bias) if number == 0 else weights[f"dense_{number}"]
        x = _dense(graph, x, kernel, bias)
        x = graph.node("Mul", x, graph.node("Sigmoid", x))
    return graph.node("Softmax", _dense(graph, x, *weights["logits"]), axis=-1)


def _trunk(graph: Graph, pixels: str, weights: Weights) -> tuple[str, tuple[int, int, int]]:
    """Strided convolutions, flattened with the channels first; their shape with these last."""
    x, side, channels = pixels, 16, 5
    for number in range(sum(name.startswith("conv_") for name in weights)):
        kernel, bias = weights[f"conv_{number}"]
        before = max(2 * (-(-side // 2) - 1) + 3 - side, 0)  # rows of 0 to add, as Keras's "same"
        pads = [before // 2] * 2 + [before - before // 2] * 2
        x = graph.node("Relu", _convolution(graph, x, kernel, bias, strides=[2, 2], pads=pads))
        side, channels = -(-side // 2), kernel.shape[-1]
    return graph.reshape(x, 0, -1), (side, side, channels)


def _published_cnn(graph: Graph, settings: Mapping[str, Any], weights: Weights) -> str:
    """Redshifts (N,) of one network; its float32 arithmetic, whatever it was trained in."""
    zeroed, _ = graph.without_nan("images")
    x, side = graph.node("Transpose", zeroed, perm=[0, 3, 1, 2]), 32
    x = graph.node("Mul", x, graph.constant(1 / 255))
    for number in range(2):
        kernel, bias = weights[f"conv_{number}"]
        x = graph.node("Relu", _convolution(graph, x, kernel, bias))
        x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        side = (side - 4) // 2
    x = graph.reshape(x, 0, -1)
    kernel, bias = weights["dense_0"]
    kernel = _for_bands_first(kernel, (side, side, weights["conv_1"][0].shape[-1]))
    x = graph.node("Relu", _dense(graph, x, kernel, bias))
    x = graph.node("Relu", _dense(graph, x, *weights["dense_1"]))
    scaled = graph.node("Sigmoid", _dense(graph, x, *weights["scaled_redshift"]))
    z_low, z_high = settings["z_low"], settings["z_high"]
    spread = graph.node("Mul", scaled, graph.constant(z_high - z_low))
    return graph.reshape(graph.node("Add", spread, graph.constant(z_low)), -1)


def _convolution(graph: Graph, x: str, kernel: Any, bias: Any, **attributes: Any) -> str:
    """Add a convolution of Keras's weights, (height, width, in, out), on (N, in, side, side)."""
    weights = graph.constant(kernel.transpose(3, 2, 0, 1))
    return graph.node("Conv", x, weights, graph.constant(bias), **attributes)


def _dense(graph: Graph, x: str, kernel: Any, bias: Any) -> str:
    return graph.node("Gemm", x, graph.constant(kernel), graph.constant(bias))


def _for_bands_first(kernel: Any, shape: tuple[int, int, int]) -> Any:
    """Reorder the last rows of a dense kernel: those of a flattened (side, side, channels)."""
    n = int(np.prod(shape))
    images = kernel[-n:].reshape(*shape, -1).transpose(2, 0, 1, 3).reshape(n, -1)
    return np.concatenate([kernel[:-n], images])
