"""A small repository in good health: DVC pipeline, sealed networks, a store that holds them."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from pix2z.config.arms import read_arms
from pix2z.files import file_digest
from pix2z.network.saved_json import seal
from pix2z.tracking.doctor import examination
from pix2z.tracking.doctor.examination import examine
from pix2z.tracking.doctor.finding import Finding
from pix2z.tracking.doctor.relocation import relocate
from pix2z.tracking.registration import register

PARAMS = Path(__file__).parents[3] / "params.yaml"
STAGES = {
    "ingest": {
        "cmd": "mkdir -p data && cp sources/galaxies data/galaxies.h5",
        "deps": ["sources/galaxies"],
        "outs": ["data/galaxies.h5"],
    },
    "split": {
        "cmd": "mkdir -p data/splits && echo rows > data/splits/full.h5",
        "deps": ["data/galaxies.h5"],
        "outs": ["data/splits/full.h5"],
    },
    "train": {
        "foreach": {"full": {}},
        "do": {
            "cmd": "rm -rf models/${key} && mkdir -p models && cp -r sources/${key} models/${key}",
            "deps": ["data/galaxies.h5", "data/splits/full.h5", "sources/${key}"],
            "outs": ["models/${key}"],
        },
    },
    "register": {
        "cmd": f"{sys.executable} -m pix2z.stages.register",
        "deps": ["models"],
        "always_changed": True,
    },
}


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_network(pool: Path, weights: bytes) -> None:
    """Write the pool of one network as `network.estimator` saves it."""
    member = pool / "seed-1"
    member.mkdir(parents=True, exist_ok=True)
    (member / "weights.weights.h5").write_bytes(weights)
    estimator = {
        "schema": 1,
        "architecture": "hybrid",
        "grid": {"z_min": 0.0, "z_max": 0.4, "n_bins": 180},
        "settings": {"learning_rate": 0.002},
        "record": {"arm": "full", "selection": "full", "training_key": "key", "seed": 1},
        "calibration": {"kind": "temperature", "temperature": 1.1},
        "weights_sha256": file_digest(member / "weights.weights.h5"),
    }
    estimator["digest"] = seal(estimator)
    write_json(member / "estimator.json", estimator)
    history = {"epoch": [0], "loss": [2.0], "val_loss": [2.1], "learning_rate": [0.002]}
    history |= {"seconds": [1.5], "best_epoch": 0, "cpu_seconds": 12.0, "n_train": 500}
    write_json(member / "history.json", history)
    calibration = {"kind": "temperature", "temperature": 1.05}
    described = {"schema": 1, "members": {"seed-1": estimator["digest"]}}
    described["calibration"] = calibration
    write_json(pool / "pool.json", {**described, "digest": seal(described)})


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository before anything is registered, a git and DVC repository, all committed."""
    root = tmp_path_factory.mktemp("pipeline")
    params = yaml.safe_load(PARAMS.read_text())
    params["arms"] = {"full": {"selection": "full", "architecture": "hybrid", "seeds": [1]}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (root / ".gitignore").write_text("/models\n/data\n/mlflow.db*\n/mlruns\n")
    write_network(root / "sources/full", b"weights of full")
    (root / "sources/galaxies").write_text("galaxies")
    run(root, "git", "init", "-q")
    run(root, sys.executable, "-m", "dvc", "init", "-q")
    config = '[core]\n    analytics = false\n[cache]\n    type = "reflink,hardlink,symlink"\n'
    (root / ".dvc/config").write_text(config)
    run(root, sys.executable, "-m", "dvc", "repro", "-q", "split", "train@full")
    commit(root)
    return root


def commit(root: Path) -> None:
    run(root, "git", "add", "-A")
    run(root, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "state")


@pytest.fixture(scope="session")
def registered(pipeline: Path, empty_database: Path) -> Path:
    """The repository, registered; registering takes seconds."""
    shutil.copy(empty_database, pipeline / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("DVC_ROOT", str(pipeline))
        register(pipeline, read_arms(pipeline / "params.yaml"))
    return pipeline


@pytest.fixture
def healthy(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the registered repository, which knows its place."""
    root = tmp_path / "repository"
    shutil.copytree(registered, root)
    database = root / "mlflow.db"
    relocate(MlflowClient(f"sqlite:///{database}"), database)
    (root / "mlflow.db.before-relocation").unlink()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not ask DVC, which takes a second each time, where no data are at fault."""
    monkeypatch.setattr(examination, "check_data", lambda root: [])


@pytest.fixture
def pix2z() -> Callable[..., tuple[int, str]]:
    """Run the command in a process of its own; its exit code and output.

    MLflow remembers, as long as a process lives, what it saw of a store.
    """

    def call(root: Path, *words: str) -> tuple[int, str]:
        command = [sys.executable, "-c", "from pix2z.cli import main; main()", *words]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    return call


@pytest.fixture
def store(healthy: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{healthy}/mlflow.db")


class Clinic:
    """Finds a fault, runs the command that is printed for it, and looks again."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._monkeypatch = root, monkeypatch

    def findings(self) -> list[Finding]:
        return examine(self.root)

    def faults(self) -> dict[str, str]:
        """Every fault: what it is -> the command that mends it."""
        return {found.what: found.command for found in self.findings() if found.is_fault}

    def notes(self) -> set[str]:
        return {found.what for found in examine(self.root) if not found.is_fault}

    def cure(self, what: str, *, stages: bool = False) -> str:
        """Expect this one fault, run its command, and expect health; return the command.

        `stages`: run ``dvc repro -s register`` as it stands, instead of what it runs, here.
        """
        faults = self.faults()
        assert list(faults) == [what]
        self.run(faults[what], stages=stages)
        assert self.faults() == {}
        return faults[what]

    def run(self, command: str, *, stages: bool = False) -> None:
        for part in command.split(" && "):
            words = shlex.split(part)
            if words[0] == "unset":
                self._monkeypatch.delenv(words[1])
            elif words[:3] == ["pix2z", "doctor", "--mend"]:
                # In a process of its own: MLflow remembers what it saw of a store.
                program = "from pix2z.cli import main; main()"
                run(self.root, sys.executable, "-c", program, *words[1:])
            elif part == "dvc repro -s register" and not stages:
                register(self.root, read_arms(self.root / "params.yaml"))
            elif words[0] in ("dvc", "mlflow"):
                run(self.root, sys.executable, "-m", *words)
            else:
                run(self.root, *words)


@pytest.fixture
def clinic(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    return Clinic(healthy, monkeypatch)


@pytest.fixture
def retrained(healthy: Path):
    """Put other weights into models/full, through the pipeline: call it with the weights."""

    def replace(weights: bytes) -> None:
        write_network(healthy / "sources/full", weights)
        run(healthy, sys.executable, "-m", "dvc", "repro", "-q", "train@full")
        commit(healthy)

    return replace
