"""What an arm was made from: digests of its data, and its stages in dvc.lock.

::

    tag data_digests          {path: ["md5:...", "sha256:..."]} of raw file, galaxies.h5 and split
    tag lock_digest           SHA-256 of the entry train@ARM of dvc.lock
    tag pool_folder_digest    MD5 of models/ARM in dvc.lock
    lineage.json              {"stages": entries of dvc.lock that led here, "raw": of ingest.json}

dvc.lock is believed only where its entry is of the files that are here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pix2z.files import read_json
from pix2z.tracking.pipeline_record import entry_digest, folder_md5, read_lock, stage_chain

__all__ = ["LINEAGE_FILE", "ArmLineage", "data_digests_tag", "disk_md5", "read_arm_lineage"]

LINEAGE_FILE = "lineage.json"
"""Among the artifacts of the run of a pool."""
GALAXIES = "data/galaxies.h5"


@dataclass(frozen=True)
class ArmLineage:
    """What is known of where an arm comes from."""

    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Entries of dvc.lock that led to it, the first ones first."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """What ingest.json says of the raw file."""
    digests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Path -> its digests, each with its kind."""

    def md5(self, path: str) -> str | None:
        """Digest of a file that dvc.lock records, as ``md5:...``."""
        known = (d for d in self.digests.get(path, ()) if d.startswith("md5:"))
        return next(known, None)

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its runs."""
        tags = data_digests_tag(self.digests)
        if self.stages:
            *_, last = self.stages.values()
            tags["lock_digest"] = entry_digest(last)
            tags["pool_folder_digest"] = f"md5:{_outs_md5(last)}"
        return tags

    @property
    def texts(self) -> dict[str, str]:
        """Artifacts of the run of its pool; none where dvc.lock says nothing of it."""
        if not self.stages:
            return {}
        said = {"stages": self.stages, "raw": self.raw}
        return {LINEAGE_FILE: json.dumps(said, indent=1, ensure_ascii=False)}


def data_digests_tag(digests: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the tag by which `pix2z lineage` finds runs of a file; none for no files."""
    known = {path: list(found) for path, found in digests.items() if found}
    return {"data_digests": json.dumps(known)} if known else {}


def read_arm_lineage(root: Path, name: str, *, split: str) -> ArmLineage:
    """Read where models/<name> comes from; `split` is the path of its rows, below `root`."""
    folder, stage = root / "models" / name, f"train@{name}"
    lock = read_lock(root / "dvc.lock")
    is_of_these = stage in lock and _outs_md5(lock[stage]) == disk_md5(folder)
    stages = stage_chain(lock, stage) if is_of_these else {}
    report = root / "reports/ingest.json"
    raw = read_json(report)["raw"] if report.exists() else {}
    inputs = _inputs(folder)
    recorded = {
        dep["path"]: f"md5:{dep['md5']}" for entry in stages.values() for dep in entry["deps"]
    }
    raw_path, *_ = [*_raw_paths(stages), raw.get("name", "raw")]
    found = {
        raw_path: (recorded.get(raw_path), _sha256(raw.get("sha256"))),
        GALAXIES: (recorded.get(GALAXIES), _sha256(inputs.get("galaxies_sha256"))),
        split: (recorded.get(split), _sha256(inputs.get("split_sha256"))),
    }
    digests = {path: tuple(d for d in some if d) for path, some in found.items()}
    return ArmLineage(stages, raw, {path: some for path, some in digests.items() if some})


def _outs_md5(entry: Mapping[str, Any]) -> str:
    return str(entry["outs"][0]["md5"])


def disk_md5(folder: Path) -> str:
    """MD5 of a folder on the disk, as dvc.lock has it; what a kill left unfinished is left out."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in paths if not path.name.startswith(".partial-"))
    return folder_md5({path.relative_to(folder).as_posix(): path.read_bytes() for path in kept})


def _raw_paths(stages: Mapping[str, Mapping[str, Any]]) -> list[str]:
    deps = stages["ingest"]["deps"] if "ingest" in stages else ()
    return [dep["path"] for dep in deps if not dep["path"].startswith("src/")]


def _inputs(folder: Path) -> Mapping[str, Any]:
    """Read what the first network says it was trained on; empty where it does not."""
    pool = read_json(folder / "pool.json")
    first = read_json(folder / next(iter(pool["members"])) / "estimator.json")
    inputs: Mapping[str, Any] = first["record"].get("inputs", {})
    return inputs


def _sha256(digest: str | None) -> str | None:
    return f"sha256:{digest}" if digest else None
