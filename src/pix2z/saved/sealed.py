"""The JSON of a saved network or pool, sealed with a digest over itself; no Keras needed.

::

    pool.json                 members, calibration, density of the training sample, digests of
                              members and of the ONNX form, digest over all of it
    pool.onnx                 all members as one ONNX graph, see `network.onnx_form`; earlier
                              versions wrote none
    seed-<k>/estimator.json   settings, grid, calibration, digest of the weights, digest over all
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from pix2z.errors import InputError, IntegrityError
from pix2z.files import file_digest, read_json, text_digest, write_json
from pix2z.redshift_pdf import residual
from pix2z.redshift_pdf.calibration import LocalTemperature, Temperature
from pix2z.redshift_pdf.redshifts import Calibration
from pix2z.saved.sample_density import SampleDensity

__all__ = [
    "ONNX_FORM",
    "SCHEMA",
    "calibration_json",
    "calibration_of",
    "has_onnx_form",
    "read_member",
    "read_network",
    "read_onnx_form",
    "read_pool",
    "read_sealed",
    "sample_density_of",
    "seal",
    "write_pool",
    "write_sealed",
]

SCHEMA = 1

ONNX_FORM = "pool.onnx"

FORMER_ARCHITECTURES = {"seed_cnn": "published_cnn"}
"""Names in files of earlier versions -> what they are called now."""


def seal(description: Mapping[str, Any]) -> str:
    """Digest over all that a description says, but the digest itself."""
    rest = {key: value for key, value in description.items() if key != "digest"}
    return text_digest(json.dumps(rest, sort_keys=True))


def write_sealed(path: Path, description: Mapping[str, Any]) -> None:
    """Write a description with its digest."""
    write_json(path, {**description, "digest": seal(description)})


def read_sealed(path: Path, schema: int | str = SCHEMA) -> dict[str, Any]:
    """Read a description.

    Raises
    ------
    InputError
        The file is missing, not JSON or of another schema.
    IntegrityError
        Its content does not match its digest.
    """
    description: dict[str, Any] = read_json(path)
    if not isinstance(description, dict) or description.get("schema") != schema:
        raise InputError(f"{path}: not an estimator of schema {schema}")
    if description.get("digest") != seal(description):
        raise IntegrityError(f"{path}: content does not match its digest")
    return description


def read_member(folder: Path) -> dict[str, Any]:
    """Read estimator.json of one network; raise also where its weights are not those it names."""
    description = read_network(folder / "estimator.json")
    name = description["architecture"]
    return {**description, "architecture": FORMER_ARCHITECTURES.get(name, name)}


def read_network(path: Path, schema: int | str = SCHEMA) -> dict[str, Any]:
    """Read what is said of the weights beside it; raise also where they are others."""
    description = read_sealed(path, schema)
    weights = path.with_name("weights.weights.h5")
    if file_digest(weights) != description["weights_sha256"]:
        raise IntegrityError(f"{weights}: weights do not match the digest in {path.name}")
    return description


def read_pool(folder: Path) -> dict[str, Any]:
    """Read pool.json; raise also where its members are not folders of that name and digest."""
    description = read_sealed(folder / "pool.json")
    for name, digest in description["members"].items():
        if Path(name).name != name or name in ("", ".", ".."):
            raise IntegrityError(f"{folder}/pool.json: member {name!r} is not a folder name")
        if read_sealed(folder / name / "estimator.json")["digest"] != digest:
            raise IntegrityError(f"{folder / name}: not the member that pool.json was made of")
    return description


def has_onnx_form(description: Mapping[str, Any]) -> bool:
    """Whether a pool was saved with pool.onnx; those of earlier versions were not."""
    return "onnx_sha256" in description


def read_onnx_form(folder: Path, description: Mapping[str, Any]) -> bytes:
    """Return what pool.onnx holds; raise IntegrityError where it is not that of pool.json.

    Parameters
    ----------
    description : of a pool with an ONNX form, by `read_pool`.
    """
    path = folder / ONNX_FORM
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if sha256(content).hexdigest() != description["onnx_sha256"]:
        raise IntegrityError(f"{path}: does not match its digest in pool.json")
    return content


def write_pool(
    folder: Path,
    members: Sequence[str],
    calibration: Calibration,
    sample_density: SampleDensity | None = None,
) -> None:
    """Write pool.json over saved members and pool.onnx; members are named by their folders."""
    described = {name: read_json(folder / name / "estimator.json")["digest"] for name in members}
    description = {
        "schema": SCHEMA,
        "members": described,
        "onnx_sha256": file_digest(folder / ONNX_FORM),
        "calibration": calibration_json(calibration),
    }
    if sample_density is not None:
        description["sample_density"] = sample_density.to_dict()
    write_sealed(folder / "pool.json", description)


def sample_density_of(description: Mapping[str, Any]) -> SampleDensity | None:
    """Return the density of a pool's training sample; None of a small one, or of an old pool."""
    density = description.get("sample_density")
    return None if density is None else SampleDensity.from_dict(density)


def calibration_json(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as it is saved."""
    if isinstance(calibration, LocalTemperature):
        return {"kind": "local_temperature", **asdict(calibration)}
    if isinstance(calibration, Temperature):
        return {"kind": "temperature", **asdict(calibration)}
    return {"kind": "residual", **residual.to_dict(calibration)}


def calibration_of(description: Mapping[str, Any]) -> Calibration:
    """Undo `calibration_json`; raise InputError where it is not what that makes."""
    values = {key: value for key, value in description.items() if key != "kind"}
    try:
        match description["kind"]:
            case "local_temperature":
                slopes, low, high = (tuple(values.pop(name)) for name in ("slopes", "low", "high"))
                return LocalTemperature(slopes=slopes, low=low, high=high, **values)
            case "temperature":
                return Temperature(float(values["temperature"]))
            case "residual":
                return residual.from_dict(values)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"calibration: damaged: {error}") from error
    raise InputError(f"calibration: of unknown kind {description['kind']!r}")
