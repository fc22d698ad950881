"""spectrum/models/<arm>, reports/spectrum.json -> what is known of a trained spectrum network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pix2z.errors import InputError
from pix2z.files import read_json
from pix2z.tracking.arm_lineage import data_digests_tag, disk_md5
from pix2z.tracking.pipeline_record import Stages
from pix2z.tracking.record import DatasetUse

__all__ = ["MODELS", "REPORT", "SpectrumNetwork", "read_network", "read_report"]

MODELS, REPORT = "spectrum/models", "reports/spectrum.json"
GALAXIES, SPECTRA = "data/galaxies.h5", "data/spectra.h5"


@dataclass(frozen=True)
class SpectrumNetwork:
    """What the files say of one trained network."""

    name: str
    """Of its arm."""
    root: Path
    """Of the repository."""
    saved: Mapping[str, Any]
    """spectrum.json."""
    history: Mapping[str, Any]
    """history.json."""
    digests: Mapping[str, tuple[str, ...]]
    """Path -> what is known of the file that it was trained on, MD5 of dvc.lock first."""
    scores: Mapping[str, Any]
    """Of its spectra, from reports/spectrum.json; empty where that is of another network."""
    ways: Mapping[str, Any]
    """Way to a redshift -> subset -> metrics; empty too."""
    report: Mapping[str, Any]
    """All of reports/spectrum.json; empty where there is none."""
    test_digest: str
    """Of the object ids of the test galaxies; empty where not known."""
    source: str
    """Where the galaxies come from, in words."""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.root / MODELS / self.name

    @property
    def digest(self) -> str:
        """Of spectrum.json, and with it of the network."""
        return str(self.saved["digest"])

    @property
    def record(self) -> Mapping[str, Any]:
        """What the training wrote of itself."""
        record: Mapping[str, Any] = self.saved["record"]
        return record

    @property
    def split(self) -> str:
        """Path of the rows that it was trained on."""
        return f"data/splits/{self.record['selection']}.h5"

    @property
    def first_in_report(self) -> bool:
        """Whether the figures of single galaxies are of this network."""
        return bool(self.scores) and next(iter(self.report["arms"])) == self.name

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its run and of its version."""
        known = {
            "galaxies_digest": self._first_digest(GALAXIES),
            "spectra_digest": self._first_digest(SPECTRA),
            "split_digest": self._first_digest(self.split),
            "test_digest": self.test_digest,
        }
        return {
            "arm": self.name,
            "decoder": self.saved["decoder"],
            "selection": self.record["selection"],
            **{key: value for key, value in known.items() if value},
            **data_digests_tag(self.digests),
        }

    @property
    def datasets(self) -> tuple[DatasetUse, ...]:
        """The files that it was trained on."""
        uses = (
            DatasetUse("galaxies", GALAXIES, self._first_digest(GALAXIES), "training"),
            DatasetUse("spectra", SPECTRA, self._first_digest(SPECTRA), "training targets"),
            DatasetUse(
                f"split {self.record['selection']}",
                self.split,
                self._first_digest(self.split),
                "training rows",
            ),
        )
        return tuple(use for use in uses if use.digest)

    def _first_digest(self, path: str) -> str:
        return next(iter(self.digests.get(path, ())), "")


def read_network(
    root: Path, name: str, *, report: Mapping[str, Any], lock: Stages
) -> SpectrumNetwork:
    """Read what the files under `root` say of the network of an arm.

    Parameters
    ----------
    report : reports/spectrum.json as `read_report` reads it.
    lock : entries of dvc.lock, believed where its digest of the folder is that of the files here.
    """
    folder = root / MODELS / name
    saved = _read_saved(folder / "spectrum.json")
    scores = report.get("arms", {}).get(name, {})
    is_of_this = scores.get("model_digest") == saved["digest"]
    split_report, ingest_report = root / "reports/split.json", root / "reports/ingest.json"
    return SpectrumNetwork(
        name=name,
        root=root,
        saved=saved,
        history=read_json(folder / "history.json"),
        digests=_digests(folder, saved["record"], lock, out=f"{MODELS}/{name}"),
        scores=scores if is_of_this else {},
        ways=report["redshifts"].get(name, {}).get("ways", {}) if is_of_this else {},
        report=report,
        test_digest=read_json(split_report)["test_digest"] if split_report.exists() else "",
        source=read_json(ingest_report)["raw"]["source"] if ingest_report.exists() else "",
    )


def _read_saved(path: Path) -> dict[str, Any]:
    """Read spectrum.json; its seal is checked where the network is loaded."""
    saved = read_json(path)
    if not isinstance(saved, dict) or not {"digest", "record", "decoder"} <= saved.keys():
        raise InputError(f"{path}: not a saved spectrum network; repeat its training")
    return saved


def read_report(root: Path) -> dict[str, Any]:
    """Read reports/spectrum.json; empty where the networks were not assessed yet."""
    path = root / REPORT
    return dict(read_json(path)) if path.exists() else {}


def _digests(
    folder: Path, record: Mapping[str, Any], lock: Stages, *, out: str
) -> dict[str, tuple[str, ...]]:
    """Digests of the files that a network was trained on: of dvc.lock, and its own record."""
    inputs = record["inputs"]
    own = {
        GALAXIES: inputs.get("galaxies_sha256"),
        SPECTRA: inputs.get("spectra_sha256"),
        f"data/splits/{record['selection']}.h5": inputs.get("split_sha256"),
    }
    recorded = _recorded_deps(folder, lock, out)
    found = {
        path: tuple(d for d in (recorded.get(path), sha256 and f"sha256:{sha256}") if d)
        for path, sha256 in own.items()
    }
    return {path: digests for path, digests in found.items() if digests}


def _recorded_deps(folder: Path, lock: Stages, out: str) -> dict[str, str]:
    """Path -> ``md5:...`` of what the stage read whose output this folder is, as it is here."""
    for entry in lock.values():
        md5 = {o["path"]: o.get("md5") for o in entry.get("outs", ())}.get(out)
        if md5 and md5 == disk_md5(folder):
            return {dep["path"]: f"md5:{dep['md5']}" for dep in entry.get("deps", ())}
    return {}
