"""What an ONNX form measures on stamps: `layers.MeasureStamps` once more, in two ways.

A stamp of which every pixel was measured needs no masking, which would take a third of all time.
"""

from dataclasses import dataclass

import numpy as np

from pix2z.dataset import photometry
from pix2z.imaging import STAMP_SIDE
from pix2z.network.onnx_graph import Graph, Shape
from pix2z.saved.sample_density import LEAST_SKY_SIGMA

__all__ = ["Measured", "measure"]

ROW = 5 * STAMP_SIDE
"""Numbers in a row of pixels: the bands of one pixel lie side by side."""

HALF = STAMP_SIDE // 2


@dataclass(frozen=True)
class Measured:
    """Names of values in a graph.

    Attributes
    ----------
    flux : (N, A, 5) nanomaggies in the apertures that were asked for; NaN of absent bands.
    log_sky : (N, 5) natural logarithm of the sky noise; NaN where there is nothing to measure.
    pixels : (N, 5, 16, 16) nanomaggies, means of 2 x 2 pixels, 0 in absent bands; "" if not wanted.
    """

    flux: str
    log_sky: str
    pixels: str = ""


def measure(
    graph: Graph, images: str, *, radii: tuple[float, ...], pixels: bool = False
) -> Measured:
    """Add what measures images (N, 32, 32, 5); whether there is a NaN decides by which way.

    radii : of the apertures, arcsec.
    """
    shapes: dict[str, Shape] = {
        "flux": ["N", len(radii), 5],
        "log_sky": ["N", 5],
        **({"pixels": ["N", 5, HALF, HALF]} if pixels else {}),
    }
    weights = _aperture_matrix(graph, radii)
    ways = {}
    for way, masked in (("then_branch", True), ("else_branch", False)):
        branch = Graph(graph)
        filled, present = _filled(branch, images) if masked else (images, None)
        values = {
            "flux": _flux(branch, filled, weights, present),
            "log_sky": _log_sky(branch, images, masked=masked),
            **({"pixels": _pixels(branch, filled)} if pixels else {}),
        }
        ways[way] = branch.branch({values[name]: shape for name, shape in shapes.items()})
    a_pixel_is_masked = graph.node("IsNaN", graph.node("ReduceSum", images, keepdims=0))
    return Measured(*graph.nodes("If", a_pixel_is_masked, n_outputs=len(shapes), **ways))


def _aperture_matrix(graph: Graph, radii: tuple[float, ...]) -> str:
    """(2560, A * 5), of the lower half: pixels of a band count in apertures of that band only."""
    weights = photometry.aperture_weights(radii=radii)[: STAMP_SIDE * STAMP_SIDE // 2]
    of_bands = graph.node(
        "Mul",
        graph.constant(weights[:, None, :, None]),
        graph.constant(np.eye(5)[None, :, None, :]),
    )
    return graph.reshape(of_bands, HALF * ROW, 5 * weights.shape[1])


def _filled(graph: Graph, images: str) -> tuple[str, str]:
    """Images whose masked pixels are those opposite, else 0; whether bands are present, (N, 5)."""
    zeroed, valid = graph.without_nan(images)
    opposite = zeroed
    for axis in (1, 2):
        opposite = graph.cut(opposite, axis, -1, -(STAMP_SIDE + 1), -1)
    masked = graph.node("Sub", graph.constant(1.0), valid)
    filled = graph.node("Add", zeroed, graph.node("Mul", masked, opposite))
    n_valid = graph.sum(graph.reshape(valid, 0, -1, 5), 1)
    return filled, graph.node("Min", n_valid, graph.constant(1.0))


def _flux(graph: Graph, filled: str, weights: str, present: str | None) -> str:
    """Apertures lie around the centre, so that rows opposite each other are added before."""
    rows = graph.reshape(filled, 0, STAMP_SIDE, ROW)
    lower = graph.cut(rows, 1, 0, HALF)
    upper = graph.node(
        "Gather", rows, graph.constant(range(STAMP_SIDE - 1, HALF - 1, -1), np.int64), axis=1
    )
    folded = graph.reshape(graph.node("Add", lower, upper), 0, HALF * ROW)
    inside = graph.node("MatMul", folded, weights)
    flux = graph.reshape(inside, 0, -1, 5)
    if present is None:
        return flux
    return graph.node("Div", flux, graph.reshape(present, 0, 1, 5))  # 0 / 0 is NaN


def _log_sky(graph: Graph, images: str, *, masked: bool) -> str:
    rows = photometry.SKY_ROWS
    ends = graph.constant([*range(rows), *range(STAMP_SIDE - rows, STAMP_SIDE)], np.int64)
    whole = graph.reshape(images, 0, 1, STAMP_SIDE, ROW)
    strips = graph.node("Gather", whole, ends, axis=2)
    # Second differences along a row: the same band of adjacent pixels is five numbers away.
    kernel = graph.constant(np.array([1.0, -2.0, 1.0]).reshape(1, 1, 1, 3))
    difference = graph.node("Conv", strips, kernel, dilations=[1, 5])
    n_differences = float(2 * rows * (STAMP_SIDE - 2))
    if masked:
        difference, valid = graph.without_nan(difference)
        count = _by_band(graph, valid)
        divisor = graph.node("Max", count, graph.constant(1.0))
    else:
        count, divisor = "", graph.constant(n_differences)
    mean = graph.node("Div", _by_band(graph, graph.node("Abs", difference)), divisor)
    sigma = graph.node("Mul", mean, graph.constant(photometry.MEAN_DIFFERENCE_TO_SIGMA))
    log_sky = graph.node("Log", graph.node("Max", sigma, graph.constant(LEAST_SKY_SIGMA)))
    if not masked:
        return log_sky
    known = graph.node("Greater", count, graph.constant(0.0))
    return graph.node("Where", known, log_sky, graph.constant(np.nan))


def _by_band(graph: Graph, values: str) -> str:
    """Sum of (N, 1, 10, 150) numbers of each band, (N, 5)."""
    return graph.sum(graph.reshape(graph.sum(values, 1, 2), 0, -1, 5), 1)


def _pixels(graph: Graph, filled: str) -> str:
    """Means of 2 x 2 pixels, the bands first: a convolution, thrice as fast as sums and a turn."""
    kernel = np.zeros((5, 1, 2, 10))
    for band in range(5):
        kernel[band, 0, :, [band, band + 5]] = 1 / 4
    one_plane = graph.reshape(filled, 0, 1, STAMP_SIDE, ROW)
    return graph.node("Conv", one_plane, graph.constant(kernel), strides=[2, 10])
