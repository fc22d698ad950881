"""A miniature `dvc repro` in a folder of its own, killed while it trains, and finished."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pix2z.cli.workspace import make_workspace

ROOT = Path(__file__).parents[2]
ARMS = ("full", "clipped", "catalogue", "published_full")
SPECTRUM_ARMS = ("full",)
LIMIT_SECONDS = 600


@dataclass
class Workspace:
    """A folder with the pipeline, whose commands run as in an activated environment."""

    folder: Path

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

    def change_params(self, **sections: object) -> None:
        """Put whole sections of params.yaml in place of those that it has."""
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text()) | sections
        path.write_text(yaml.safe_dump(params, sort_keys=False))

    def repro(self, *arguments: str) -> str:
        """Run dvc repro."""
        return self.run(sys.executable, "-m", "dvc", "repro", *arguments)

    def kill_when(self, ready: Callable[[], bool]) -> list[str]:
        """Send SIGKILL to dvc repro and its stage as soon as `ready`; the lines it had printed."""
        log = self.folder / "killed.log"
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
                assert process.poll() is None, f"ended unkilled: {log.read_text()[-3000:]}"
                assert time.monotonic() < end, "never reached"
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return log.read_text().splitlines()


def make_miniature(folder: Path) -> Workspace:
    """Make a workspace of the preset miniature with four arms and one spectrum arm."""
    make_workspace(ROOT, folder, preset="miniature")
    workspace = Workspace(folder)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    workspace.change_params(
        arms={name: params["arms"][name] for name in ARMS},
        spectrum_arms={name: params["spectrum_arms"][name] for name in SPECTRUM_ARMS},
    )
    return workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The pipeline, killed in the middle of a training, and then finished."""
    workspace = make_miniature(tmp_path_factory.mktemp("pipeline") / "miniature")
    folder = workspace.folder
    printed = workspace.kill_when(lambda: any(folder.glob(".checkpoints/*/seed-1.h5")))
    assert "'train'" in [line for line in printed if "Running stage" in line][-1]
    assert not list(folder.glob("models/*/pool.json"))
    # Tuning ran side by side, as is the default; the spectrum network's parts take less one by one.
    workspace.change_params(compute={"processes": 1})
    workspace.repro()
    return workspace
