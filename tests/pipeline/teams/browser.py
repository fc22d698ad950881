"""A headless browser, spoken to in the W3C WebDriver protocol: five requests are all it takes."""

import shutil
import socket
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

PATIENCE_SECONDS = 120
MISSING = "no browser: it takes Debian's packages chromium and chromium-driver"


def programs() -> tuple[str, str] | None:
    """Return Chromium and its driver; None where either is missing."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@dataclass(frozen=True)
class Page:
    """The one window of a browser."""

    session: str

    def post(self, path: str, **body: Any) -> Any:
        answer = requests.post(f"{self.session}/{path}", json=body, timeout=PATIENCE_SECONDS)
        value = answer.json()["value"]
        assert answer.ok, value["message"]
        return value

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; what it returns."""
        return self.post("execute/sync", script=script, args=list(arguments))

    def text(self) -> str:
        """What a person can read now; a space that does not break is a space."""
        text = self.run("return document.body ? document.body.innerText : ''")
        return text.replace("\u00a0", " ")

    def show(self, address: str, *wanted: str) -> str:
        """Open an address; return the text once all that is wanted can be read."""
        self.post("url", url="about:blank")  # else a change after # loads nothing
        self.post("url", url=address)
        return self.wait(*wanted)

    def wait(self, *wanted: str) -> str:
        end = time.monotonic() + PATIENCE_SECONDS
        while missing := [words for words in wanted if words not in self.text()]:
            assert time.monotonic() < end, f"never shown: {missing}; shown: {self.text()[-3000:]}"
            time.sleep(0.3)
        return self.text()

    def wait_for(self, selector: str, *, count: int) -> None:
        """Wait until a CSS selector finds `count` elements or more."""
        counted = "return document.querySelectorAll(arguments[0]).length"
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := self.run(counted, selector)) < count:
            assert time.monotonic() < end, f"{selector}: {found} elements, expected {count}"
            time.sleep(0.3)

    def picture(self, path: Path) -> None:
        """Keep what is seen, for a person."""
        answer = requests.get(f"{self.session}/screenshot", timeout=PATIENCE_SECONDS)
        path.write_bytes(b64decode(answer.json()["value"]))


@contextmanager
def open_browser(folder: Path) -> Iterator[Page]:
    """Start a browser without a screen, its profile in `folder`; end it afterwards."""
    browser, driver = programs()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    options += ["--window-size=1600,1600", "--lang=en-GB", f"--user-data-dir={folder}"]
    wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": browser, "args": options}}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([driver, f"--port={port}"], **quiet) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address)
            body = {"capabilities": {"alwaysMatch": wanted}}
            answer = requests.post(f"{address}/session", json=body, timeout=PATIENCE_SECONDS)
            assert answer.ok, answer.text
            session = f"{address}/session/{answer.json()['value']['sessionId']}"
            try:
                yield Page(session)
            finally:
                requests.delete(session, timeout=PATIENCE_SECONDS)
        finally:
            process.terminate()


def _wait(address: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if requests.get(f"{address}/status", timeout=5).json()["value"]["ready"]:
                return
        except (requests.ConnectionError, requests.Timeout):
            assert time.monotonic() < end, "the driver of the browser does not answer"
        time.sleep(0.1)
