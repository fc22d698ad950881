"""A PostgreSQL server of its own, from Debian's packages, in a folder that goes with it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

PACKAGE, USER = "postgresql", "postgres"
INSTALL = ("apt-get", "install", "-y", "-q", "--no-install-recommends", PACKAGE)
# Nothing that is lost with the machine matters here.
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


def programs() -> Path | None:
    """Folder of the newest PostgreSQL of Debian, else of the one on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


def _version(initdb: Path) -> float:
    return float(initdb.parts[-3])


def install() -> str | None:
    """Install PostgreSQL where it is missing; return in one line why that cannot be done."""
    if programs():
        return None
    if shutil.which("apt-get") is None:
        return "PostgreSQL is missing, and there is no apt-get; install it, with initdb on PATH"
    if os.geteuid() != 0:
        return f"PostgreSQL is missing; as root: {' '.join(INSTALL)}"
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("apt-get", "update", "-q"), INSTALL):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True)
        if done.returncode != 0:
            *_, last = done.stderr.strip().splitlines() or ["no reason given"]
            return f"PostgreSQL cannot be installed: {' '.join(command)}: {last}"
    return None if programs() else f"{' '.join(INSTALL)} has installed no initdb"


@dataclass(frozen=True)
class Server:
    """A running server that listens on a socket in its folder, and nowhere else."""

    folder: Path
    numbers: Iterator[int]

    def uri(self, database: str) -> str:
        """What SQLAlchemy, and so MLflow and Optuna, take."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs against this server; its output."""
        return self.local(program, "-h", str(self.folder), "-U", USER, *arguments)

    def local(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as a user who is not root; its output."""
        found = programs()
        assert found is not None
        as_user = ("runuser", "-u", USER, "--") if os.geteuid() == 0 else ()
        done = subprocess.run(
            [*as_user, str(found / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def create(self) -> str:
        """Create an empty database; its name."""
        name = f"test{next(self.numbers)}"
        self.run("createdb", name)
        return name


@contextmanager
def running() -> Iterator[Server]:
    """Start a server in a temporary folder; stop it and remove the folder afterwards."""
    folder = Path(mkdtemp(prefix="pix2z-postgres-"))  # short: a socket's path has 107 characters
    server = Server(folder, count())
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        data = str(folder / "data")
        server.local("initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8")
        options = ["-c listen_addresses=''", f"-k {folder}", *(f"-c {s}" for s in SETTINGS)]
        log = str(folder / "log")
        server.local("pg_ctl", "-D", data, "-l", log, "-w", "-o", " ".join(options), "start")
        try:
            yield server
        finally:
            server.local("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
