"""A miniature `dvc repro` in a folder of its own, killed four times on its way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pix2z.cli.workspace import make_workspace

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 1200


@dataclass
class Workspace:
    """A folder with the pipeline; `killed` lists where a run was killed, and what stood there."""

    folder: Path
    killed: dict[str, list[str]] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return the interpreter's own folder first on PATH, as in an activated environment."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_"))}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "true",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command here; its output. Another exit code than `code` fails the test."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == code, output[-4000:]
        return output

    def repro(self, *arguments: str) -> str:
        """Run dvc repro."""
        return self.run(sys.executable, "-m", "dvc", "repro", *arguments)

    def kill_when(self, name: str, ready: Callable[[], bool]) -> None:
        """Start dvc repro and send SIGKILL to it and its stage as soon as `ready`."""
        log = self.folder / f"killed-{name}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "dvc", "repro"],
                cwd=self.folder,
                env=self.environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            end = time.monotonic() + LIMIT_SECONDS
            while not ready():
                assert process.poll() is None, f"{name}: ended unkilled: {log.read_text()[-3000:]}"
                assert time.monotonic() < end, f"{name}: never reached"
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.killed[name] = log.read_text().splitlines()


def stage_running(workspace: Workspace, name: str) -> Callable[[], bool]:
    """Whether the killed run's log says that a stage has begun."""
    log = workspace.folder / f"killed-{name}.log"
    return lambda: log.exists() and f"Running stage '{name}'" in log.read_text()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The pipeline, killed in rendering, ingest, training and compare, and then finished."""
    folder = tmp_path_factory.mktemp("pipeline") / "miniature"
    make_workspace(ROOT, folder, preset="miniature")
    workspace = Workspace(folder)
    workspace.kill_when("semireal", (folder / "data/raw/.partial-semireal.h5").exists)
    assert not (folder / "data/raw/semireal.h5").exists()
    workspace.kill_when("ingest", (folder / "data/.partial-galaxies.h5").exists)
    assert not (folder / "data/galaxies.h5").exists()
    workspace.kill_when("train", lambda: any(folder.glob(".checkpoints/*/seed-1.h5")))
    begun = stage_running(workspace, "compare")

    def drawing() -> bool:
        return begun() and any(folder.glob("reports/**/*partial-*"))

    workspace.kill_when("compare", drawing)
    workspace.repro()
    return workspace
