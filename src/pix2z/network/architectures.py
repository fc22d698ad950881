"""Name -> uncompiled model.

Every model takes `{"images": (B, 32, 32, 5), "ebv": (B,)}`; the published CNN ignores E(B-V).
Layers are named, since Keras's own numbering of layers in a process would end up in the weights'
digest.
"""

from typing import Any

from pix2z.config.networks import CatalogueConfig, HybridConfig, SoftmaxConfig
from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC
from pix2z.network.backend import keras, keras_defaults, layers
from pix2z.network.layers import (
    AsinhPhotometry,
    ForgetEbv,
    MeasureStamps,
    NanToZero,
    ScalePixels,
    Standardise,
)
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "build_published_cnn",
    "dense_layers",
    "encoded",
    "image_inputs",
    "measuring_model",
    "photometry_model",
    "softmax_model",
    "strided_convolutions",
]


def image_inputs() -> dict[str, keras.KerasTensor]:
    """Images and E(B-V), as every model takes them."""
    return {
        "images": keras.Input((32, 32, 5), name="images"),
        "ebv": keras.Input((), name="ebv"),
    }


@keras_defaults()
def build_published_cnn(*, z_low: float, z_high: float, precision: str) -> keras.Model:
    """Build the published CNN: images / 255 -> redshift, the min-max scaling of z inside.

    The last layer undoes z' = (z - z_low) / (z_high - z_low), so the model's output is a redshift.
    """
    inputs = image_inputs()
    x = NanToZero(name="nan_to_zero")(inputs["images"])
    x = layers.Rescaling(1 / 255, name="scale")(x)
    for number, filters in enumerate((32, 64)):
        x = layers.Conv2D(filters, 5, activation="relu", dtype=precision, name=f"conv_{number}")(x)
        x = layers.MaxPooling2D(2, dtype=precision, name=f"pool_{number}")(x)
    x = layers.Flatten(dtype=precision, name="flatten")(x)
    for number, units in enumerate((220, 64)):
        x = layers.Dense(units, activation="relu", dtype=precision, name=f"dense_{number}")(x)
        x = layers.Dropout(0.5, dtype=precision, name=f"dropout_{number}")(x)
    x = layers.Dense(1, activation="sigmoid", dtype="float32", name="scaled_redshift")(x)
    x = layers.Rescaling(z_high - z_low, offset=z_low, dtype="float32", name="unscale")(x)
    return keras.Model(inputs, layers.Reshape((), name="redshift")(x), name="published_cnn")


def _apertures(settings: SoftmaxConfig) -> tuple[float, ...]:
    if isinstance(settings, CatalogueConfig):
        return (settings.aperture_arcsec,)
    return APERTURE_RADII_ARCSEC


def _measurements(settings: SoftmaxConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of what an architecture reads of a stamp, see `MeasureStamps`."""
    shapes: dict[str, tuple[int, ...]] = {"flux": (len(_apertures(settings)), 5)}
    if not isinstance(settings, CatalogueConfig):
        shapes["log_sky"] = (5,)
    if isinstance(settings, HybridConfig):
        shapes["pixels"] = (16, 16, 5)
    return shapes


def _measured(images: keras.KerasTensor, settings: SoftmaxConfig) -> dict[str, keras.KerasTensor]:
    names = tuple(_measurements(settings))
    layer = MeasureStamps(radii=_apertures(settings), names=names, name="measure_stamps")
    measured: dict[str, keras.KerasTensor] = layer(images)
    return measured


@keras_defaults()
def measuring_model(settings: SoftmaxConfig) -> keras.Model:
    """Images -> measurements by name: the part of a network without weights."""
    images = image_inputs()["images"]
    return keras.Model({"images": images}, _measured(images, settings), name="measuring")


def _measured_inputs(settings: SoftmaxConfig) -> dict[str, keras.KerasTensor]:
    shapes = {**_measurements(settings), "ebv": ()}
    return {name: keras.Input(shape, name=name) for name, shape in shapes.items()}


@keras_defaults()
def photometry_model(settings: SoftmaxConfig) -> keras.Model:
    """Measurements and E(B-V) -> (features, mask), each (B, F)."""
    inputs = _measured_inputs(settings)
    outputs = list(_photometry(inputs, inputs["ebv"], settings))
    return keras.Model(inputs, outputs, name="photometry")


def _photometry(
    measured: dict[str, keras.KerasTensor], ebv: keras.KerasTensor, settings: SoftmaxConfig
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    layer = AsinhPhotometry(radii=_apertures(settings), name="photometry")
    read = {name: measured[name] for name in ("flux", "log_sky") if name in measured}
    features, mask = layer(read, ebv)
    return features, mask


@keras_defaults()
def softmax_model(
    settings: SoftmaxConfig, *, grid: RedshiftGrid, of_measurements: bool = False
) -> keras.Model:
    """Photometry, and a trunk where there is one -> logits over redshift bins, (B, K).

    The layer "standardise" wants mean and sd of the photometry features over training rows.

    Parameters
    ----------
    of_measurements : take what `measuring_model` gives in the place of images. The weights are the
        same, in the same order: stamps need to be measured only once in a training.
    """
    inputs = _measured_inputs(settings) if of_measurements else image_inputs()
    measured = inputs if of_measurements else _measured(inputs["images"], settings)
    x = _head(measured, inputs["ebv"], settings)
    logits = layers.Dense(grid.n_bins, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=settings.key)


def encoded(inputs: dict[str, keras.KerasTensor], settings: HybridConfig) -> keras.KerasTensor:
    """All of the hybrid before its output: what it makes of its inputs, (B, dense_units[-1])."""
    return _head(_measured(inputs["images"], settings), inputs["ebv"], settings)


def _head(
    measured: dict[str, keras.KerasTensor], ebv: keras.KerasTensor, settings: SoftmaxConfig
) -> keras.KerasTensor:
    ebv = ebv if settings.use_ebv else ForgetEbv(name="forget_ebv")(ebv)
    features, mask = _photometry(measured, ebv, settings)
    parts = [Standardise(name="standardise")(features, mask), mask]
    if isinstance(settings, HybridConfig) and settings.trunk_filters:
        x = NanToZero(name="nan_to_zero")(measured["pixels"])
        x = ScalePixels(name="scale_pixels")(x, ebv)
        parts.append(strided_convolutions(x, settings.trunk_filters, precision=settings.precision))
    x = layers.Concatenate(dtype=settings.precision, name="concatenate")(parts)
    return dense_layers(x, settings)


def strided_convolutions(x: Any, n_filters: tuple[int, ...], *, precision: str) -> Any:
    """3 x 3 convolutions, each of which halves the sides, flattened: (B, n)."""
    for number, filters in enumerate(n_filters):
        convolution = layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            dtype=precision,
            name=f"conv_{number}",
        )
        x = convolution(x)
    return layers.Flatten(dtype=precision, name="flatten")(x)


def dense_layers(x: Any, settings: SoftmaxConfig) -> Any:
    """Hidden layers with dropout, (B, dense_units[-1])."""
    for number, units in enumerate(settings.dense_units):
        name, precision = f"dense_{number}", settings.precision
        x = layers.Dense(units, activation="silu", dtype=precision, name=name)(x)
        x = layers.Dropout(settings.dropout, dtype=precision, name=f"dropout_{number}")(x)
    return x
