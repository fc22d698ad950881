"""Images -> spectrum: a decoder that knows what redshift does, and a plain one.

Both give `flux` (B, L), relative to the r band. The physical decoder also gives `logits` (B, K)
over bins of ln(1 + z), and `variance` (B, L), what the width of that PDF leaves open of the flux.
"""

import keras
from keras import layers

from pix2z.network.architectures import encoded, image_inputs
from pix2z.network.layers import ReflectMasked, ScalePixels
from pix2z.spectrum_network.layers import ShiftedBasis
from pix2z.spectrum_network.shifts import ShiftGrid

__all__ = ["ShiftGrid", "build_physics", "build_plain", "training_model"]


def build_physics(
    shifts: ShiftGrid,
    *,
    n_templates: int,
    residual_rank: int,
    use_ebv: bool,
    trunk_filters: tuple[int, ...],
    dense_units: tuple[int, ...],
    dropout: float,
    precision: str,
) -> keras.Model:
    """Build: encoder of the hybrid -> PDF and coefficients -> shifted basis, plus a residual.

    The layers "standardise", "basis" and "coefficients" want what is learned of training rows:
    `recipes.start_physics`.
    """
    inputs = image_inputs()
    x = encoded(
        inputs,
        use_ebv=use_ebv,
        trunk_filters=trunk_filters,
        dense_units=dense_units,
        dropout=dropout,
        precision=precision,
    )
    n = shifts.wavelengths.n
    logits = layers.Dense(shifts.n, dtype="float32", name="logits")(x)
    shares = layers.Softmax(dtype="float32", name="shares")(logits)
    coefficients = layers.Dense(n_templates, dtype="float32", name="coefficients")(x)
    basis = ShiftedBasis(
        n_wavelengths=n,
        n_shifts=shifts.n,
        stride=shifts.stride,
        n_templates=n_templates,
        dtype="float32",
        name="basis",
    )
    flux, variance = basis(coefficients, shares)
    if residual_rank:
        few = layers.Dense(residual_rank, dtype="float32", name="residual_coefficients")(x)
        residual = layers.Dense(
            n, use_bias=False, kernel_initializer="zeros", dtype="float32", name="residual"
        )
        flux = layers.Add(dtype="float32", name="flux")([flux, residual(few)])
    outputs = {"flux": flux, "logits": logits, "variance": variance}
    return keras.Model(inputs, outputs, name="physics")


def build_plain(
    shifts: ShiftGrid, *, dense_units: tuple[int, ...], dropout: float, precision: str
) -> keras.Model:
    """Build: pixels -> convolutions -> one output per wavelength, as the published system does it.

    Nothing tells it of photometry, redshift or lines; E(B-V) only dereddens its pixels.
    """
    inputs = image_inputs()
    filled, _ = ReflectMasked(name="reflect_masked")(inputs["images"])
    x = ScalePixels(name="scale_pixels")(filled, inputs["ebv"])
    for number, filters in enumerate((32, 64, 64)):
        x = layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            dtype=precision,
            name=f"conv_{number}",
        )(x)
    x = layers.Flatten(dtype=precision, name="flatten")(x)
    for number, units in enumerate(dense_units):
        x = layers.Dense(units, activation="silu", dtype=precision, name=f"dense_{number}")(x)
        x = layers.Dropout(dropout, dtype=precision, name=f"dropout_{number}")(x)
    flux = layers.Dense(shifts.wavelengths.n, dtype="float32", name="flux")(x)
    return keras.Model(inputs, {"flux": flux}, name="plain")


def training_model(model: keras.Model) -> keras.Model:
    """Return the same network with one output, (B, L + K) or (B, L): flux beside logits."""
    outputs = [model.output[name] for name in ("flux", "logits") if name in model.output]
    joined = (
        layers.Concatenate(dtype="float32", name="joined")(outputs)
        if len(outputs) > 1
        else outputs[0]
    )
    return keras.Model(model.input, joined, name=f"{model.name}_training")
