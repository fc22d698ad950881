"""Images -> spectrum: a decoder that knows what redshift does, and a plain one.

Both give `flux` (B, L), relative to the r band. The physical decoder also gives `logits` (B, K)
over bins of ln(1 + z), and `variance` (B, L), what the width of that PDF leaves open of the flux.
"""

from pix2z.config.networks import HybridConfig
from pix2z.config.spectrum import SpectrumConfig
from pix2z.network.architectures import (
    dense_layers,
    encoded,
    image_inputs,
    measured_inputs,
    strided_convolutions,
)
from pix2z.network.backend import keras, keras_defaults, layers
from pix2z.network.layers import ReflectMasked, ScalePixels
from pix2z.spectrum_network.layers import ShiftedBasis
from pix2z.spectrum_network.shifts import ShiftGrid

__all__ = ["fresh_spectrum_model", "training_model"]


@keras_defaults()
def fresh_spectrum_model(
    decoder: str,
    settings: SpectrumConfig,
    encoder: HybridConfig,
    shifts: ShiftGrid,
    *,
    of_measurements: bool = False,
) -> keras.Model:
    """Build the network of these settings, with fresh weights, not compiled.

    of_measurements : of the physical decoder, see `softmax_model`.
    """
    if decoder == "plain":
        return _plain(encoder, shifts)
    inputs = measured_inputs(encoder) if of_measurements else image_inputs()
    return _physics(inputs, settings, encoder, shifts)


def _physics(
    inputs: dict[str, keras.KerasTensor],
    settings: SpectrumConfig,
    encoder: HybridConfig,
    shifts: ShiftGrid,
) -> keras.Model:
    """Build: encoder of the hybrid -> PDF and coefficients -> shifted basis, plus a residual.

    The layers "standardise", "basis" and "coefficients" want what is learned of training rows.
    """
    x = encoded(inputs, encoder)
    n = shifts.wavelengths.n
    logits = layers.Dense(shifts.n, dtype="float32", name="logits")(x)
    shares = layers.Softmax(dtype="float32", name="shares")(logits)
    coefficients = layers.Dense(settings.n_templates, dtype="float32", name="coefficients")(x)
    basis = ShiftedBasis(
        n_wavelengths=n,
        n_shifts=shifts.n,
        stride=shifts.stride,
        n_templates=settings.n_templates,
        dtype="float32",
        name="basis",
    )
    flux, variance = basis(coefficients, shares)
    if settings.residual_rank:
        few = layers.Dense(settings.residual_rank, dtype="float32", name="residual_coefficients")(x)
        residual = layers.Dense(
            n, use_bias=False, kernel_initializer="zeros", dtype="float32", name="residual"
        )
        flux = layers.Add(dtype="float32", name="flux")([flux, residual(few)])
    outputs = {"flux": flux, "logits": logits, "variance": variance}
    return keras.Model(inputs, outputs, name="physics")


def _plain(encoder: HybridConfig, shifts: ShiftGrid) -> keras.Model:
    """Build: pixels -> convolutions -> one output per wavelength, as the published system does it.

    Nothing tells it of photometry, redshift or lines; E(B-V) only dereddens its pixels.
    """
    inputs = image_inputs()
    filled, _ = ReflectMasked(name="reflect_masked")(inputs["images"])
    x = ScalePixels(name="scale_pixels")(filled, inputs["ebv"])
    x = strided_convolutions(x, (32, 64, 64), precision=encoder.precision)
    x = dense_layers(x, encoder)
    flux = layers.Dense(shifts.wavelengths.n, dtype="float32", name="flux")(x)
    return keras.Model(inputs, {"flux": flux}, name="plain")


def training_model(model: keras.Model) -> keras.Model:
    """Return the same network with one output, (B, L + K) or (B, L): flux beside logits."""
    outputs = [model.output[name] for name in ("flux", "logits") if name in model.output]
    output = outputs[0]
    if len(outputs) > 1:
        output = layers.Concatenate(dtype="float32", name="joined")(outputs)
    return keras.Model(model.input, output, name=f"{model.name}_training")
