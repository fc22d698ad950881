"""The kinds of models that the registry holds: what a version is made of, and how it is served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array

from pix2z import inference
from pix2z.saved.sealed import ONNX_FORM, has_onnx_form
from pix2z.tracking.kinds import POOLS, SPECTRA, Kind

__all__ = ["POOL", "REDSHIFT_COLUMNS", "SPECTRUM", "ServedForm"]

_SHARED = ("mlflow", "numpy", "pandas")
_ONNX = (*_SHARED, "onnxruntime")
_KERAS = (*_SHARED, "tensorflow", "keras", "scipy", "h5py", "pydantic", "ruamel.yaml")

REDSHIFT_COLUMNS = (
    "z_best",
    "z_median",
    "z_mean",
    "z_mode",
    "z_err68_low",
    "z_err68_high",
    "z_err95_low",
    "z_err95_high",
)
"""Of a pool's answer: what it is judged by is z_best, and limits are those of the central 68 and
95 % intervals."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ServedForm:
    """What the versions of one kind share."""

    kind: Kind
    files: Callable[[Mapping[str, Any]], tuple[str, ...]]
    """What `kind.saved` says -> files of a version, below the folder."""
    code: Path
    """What MLflow runs to load a version."""
    requirements: Callable[[Path, Mapping[str, Any]], tuple[str, ...]]
    """Folder of the networks and what `kind.saved` says -> what its code imports, loaded and asked;
    pinned to what is installed when the version is made."""
    signature: Callable[[], ModelSignature]


def _pool_files(described: Mapping[str, Any]) -> tuple[str, ...]:
    """Weights too: whoever downloads the pool may go on training it."""
    of_member = ("estimator.json", "weights.weights.h5")
    files = (f"{name}/{file}" for name in described["members"] for file in of_member)
    return ("pool.json", *([ONNX_FORM] if has_onnx_form(described) else []), *files)


def _pool_requirements(folder: Path, described: Mapping[str, Any]) -> tuple[str, ...]:
    return _ONNX if inference.answers(folder, described) else _KERAS


def _network_files(_: Mapping[str, Any]) -> tuple[str, ...]:
    return ("spectrum.json", "weights.weights.h5", "basis.h5")


def _pool_signature() -> ModelSignature:
    """Images as one tensor, E(B-V) and PDFs as parameters; a row per galaxy out."""
    columns = [ColSpec(DataType.double, name) for name in REDSHIFT_COLUMNS]
    pdf = [ColSpec(Array(DataType.double), name, required=False) for name in ("pdf", "pdf_z")]
    return _of_images(
        [*columns, ColSpec(DataType.integer, "pix2z_flags"), *pdf],
        ParamSpec("pdf", DataType.boolean, False),
    )


def _spectrum_signature() -> ModelSignature:
    """Images as one tensor, E(B-V) as a parameter; a row per galaxy out.

    A plain network has no PDF, and so none of the columns of redshifts.
    """
    spectra = [
        ColSpec(Array(DataType.double), name)
        for name in ("wavelength", "flux", "flux_error", "flux_error95")
    ]
    redshifts = [
        ColSpec(DataType.double, name, required=False)
        for name in ("z_median", "z_err68_low", "z_err68_high")
    ]
    return _of_images([*spectra, *redshifts, ColSpec(DataType.integer, "pix2z_flags")])


def _of_images(outputs: list[ColSpec], *params: ParamSpec) -> ModelSignature:
    images = TensorSpec(np.dtype("float32"), (-1, 32, 32, 5))
    signature = ModelSignature(
        inputs=Schema([images]),
        outputs=Schema(outputs),
        params=ParamSchema([ParamSpec("ebv", DataType.double, [], (-1,)), *params]),
    )
    # The model checks what it is sent, says better than MLflow what is wrong with it, and takes
    # base64 too: MLflow passes the input of such a model on as it came.
    signature._is_signature_from_type_hint = True
    return signature


POOL = ServedForm(
    kind=POOLS,
    files=_pool_files,
    code=_HERE / "served_model.py",
    requirements=_pool_requirements,
    signature=_pool_signature,
)
"""A pool of redshift networks."""

SPECTRUM = ServedForm(
    kind=SPECTRA,
    files=_network_files,
    code=_HERE / "served_spectrum.py",
    requirements=lambda *_: _KERAS,
    signature=_spectrum_signature,
)
"""A network that reconstructs spectra; its arms share one registered model."""
