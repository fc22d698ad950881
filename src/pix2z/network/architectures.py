"""Name -> uncompiled model.

Every model takes `{"images": (B, 32, 32, 5), "ebv": (B,)}`; the published CNN ignores E(B-V).
Layers are named, since Keras's own numbering of layers in a process would end up in the weights'
digest.
"""

from typing import Any

from pix2z.config.networks import HybridConfig
from pix2z.network.backend import keras, keras_defaults, layers
from pix2z.network.layers import (
    AperturePhotometry,
    ForgetEbv,
    NanToZero,
    ReflectMasked,
    ScalePixels,
    Standardise,
)
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = [
    "build_published_cnn",
    "dense_layers",
    "encoded",
    "hybrid_model",
    "image_inputs",
    "photometry_model",
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


@keras_defaults()
def photometry_model() -> keras.Model:
    """Images and E(B-V) -> (features, mask), each (B, F): the frozen front of the hybrid."""
    inputs = image_inputs()
    filled, present = ReflectMasked()(inputs["images"])
    features, mask = AperturePhotometry()(inputs["images"], filled, present, inputs["ebv"])
    return keras.Model(inputs, [features, mask], name="photometry")


@keras_defaults()
def hybrid_model(settings: HybridConfig, *, grid: RedshiftGrid) -> keras.Model:
    """In-network photometry beside a convolutional trunk -> logits over redshift bins, (B, K).

    The layer "standardise" wants mean and sd of the photometry features over training rows.
    """
    inputs = image_inputs()
    x = encoded(inputs, settings)
    logits = layers.Dense(grid.n_bins, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="hybrid")


def encoded(inputs: dict[str, keras.KerasTensor], settings: HybridConfig) -> keras.KerasTensor:
    """All of the hybrid before its output: what it makes of its inputs, (B, dense_units[-1])."""
    ebv = inputs["ebv"] if settings.use_ebv else ForgetEbv(name="forget_ebv")(inputs["ebv"])
    filled, present = ReflectMasked(name="reflect_masked")(inputs["images"])
    photometry = AperturePhotometry(name="photometry")
    features, mask = photometry(inputs["images"], filled, present, ebv)
    parts = [Standardise(name="standardise")(features, mask), mask]
    # The PSF spans more than three pixels: 2 x 2 means lose little and quarter the trunk's work.
    x = layers.AveragePooling2D(2, name="bin_pixels")(filled)
    x = ScalePixels(name="scale_pixels")(x, ebv)
    if settings.trunk_filters:
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


def dense_layers(x: Any, settings: HybridConfig) -> Any:
    """Hidden layers with dropout, (B, dense_units[-1])."""
    for number, units in enumerate(settings.dense_units):
        name, precision = f"dense_{number}", settings.precision
        x = layers.Dense(units, activation="silu", dtype=precision, name=name)(x)
        x = layers.Dropout(settings.dropout, dtype=precision, name=f"dropout_{number}")(x)
    return x
