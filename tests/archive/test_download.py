"""Downloads from a real server on this machine that misbehaves as it is told; no test waits."""

import errno
import fcntl
import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from pix2z.archive.download import Progress, RetryPolicy, download
from pix2z.archive.nersc import HDF5_SIGNATURE
from pix2z.archive.transfer.partial_file import Partial, open_partial, partial_path
from pix2z.archive.transfer.provenance import provenance_path
from pix2z.errors import InputError, IntegrityError, Pix2zError
from tests.archive.server import answer, change, reset, serve, serving, stall, truncate, whole

CONTENT = HDF5_SIGNATURE + np.random.default_rng(1).bytes(300_000)
OTHER = HDF5_SIGNATURE + np.random.default_rng(2).bytes(250_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PART = 100_000
HTML = b"<!DOCTYPE html><title>Scheduled maintenance</title>" * 10


@pytest.fixture
def server():
    with serving(CONTENT) as scripted:
        yield scripted


@pytest.fixture
def waits():
    return []


@pytest.fixture
def fetch(server, tmp_path, waits):
    """Download into `file`; what it would have slept is in `waits`."""

    def run(url=None, *, attempts=3, read_timeout=30.0, **options):
        policy = RetryPolicy(
            attempts=attempts,
            read_timeout=read_timeout,
            rng=random.Random(5),
            sleep=waits.append,
        )
        return download(
            url or server.url,
            tmp_path / "file",
            **{"signature": HDF5_SIGNATURE, "policy": policy} | options,
        )

    return run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def names(path):
    return sorted(found.name for found in path.parent.iterdir())


WHOLE = ["file", "file.provenance.json"]
PARTIAL = [".partial-file", ".partial-file.version.json"]


@pytest.fixture
def left(fetch, server, path):
    """Leave the first 100,000 bytes behind, as an attempt that gave up does."""
    server.script = [truncate(PART), answer(503)]
    with pytest.raises(Pix2zError, match=f"{PART} bytes are kept"):
        fetch(attempts=1)
    assert partial_path(path).read_bytes() == CONTENT[:PART]
    server.requests.clear()


def test_the_file_and_its_record_are_all_that_is_left(fetch, server, path):
    seen = []
    record = fetch(progress=seen.append)
    assert path.read_bytes() == CONTENT
    assert names(path) == WHOLE
    assert json.loads(provenance_path(path).read_text()) == {
        "url": server.url,
        "sha256": DIGEST,
        "bytes": len(CONTENT),
        "etag": server.etag,
        "last_modified": server.last_modified,
        "fetched": record.fetched,
    }
    assert abs(datetime.now(UTC) - datetime.fromisoformat(record.fetched)) < timedelta(hours=1)
    assert seen[0] == Progress("receiving", 0, len(CONTENT))
    assert seen[-1] == Progress("receiving", len(CONTENT), len(CONTENT))
    assert [now.done for now in seen] == sorted(now.done for now in seen)
    asked = server.requests[0].headers
    assert asked["accept-encoding"] == "identity"
    assert asked["user-agent"].startswith("pix2z/")
    assert "range" not in asked


def test_a_truncated_body_is_resumed_where_it_ended(fetch, server, path, waits):
    server.script = [truncate(PART), truncate(PART)]
    assert fetch().sha256 == DIGEST
    assert path.read_bytes() == CONTENT
    assert names(path) == WHOLE
    assert server.starts == [0, PART, 2 * PART]
    assert sum(seen.sent for seen in server.requests) == len(CONTENT)
    assert [seen.headers.get("if-range") for seen in server.requests] == [None, '"one"', '"one"']
    assert len(waits) == 2


def test_a_reset_connection_is_resumed(fetch, server, path):
    server.script = [reset(0), reset(PART)]
    fetch()
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 3
    assert server.starts[2] <= PART  # a reset may drop bytes that were on their way


def test_silence_is_ended_and_what_came_before_it_kept(fetch, server, path):
    server.script = [stall(PART)]
    fetch(read_timeout=0.5, attempts=20)
    assert path.read_bytes() == CONTENT
    assert server.starts[-1] == PART
    assert sum(seen.sent for seen in server.requests) == len(CONTENT)


def test_a_connection_that_is_refused_is_tried_again_and_named(fetch, server, waits, path):
    with serving(b"") as gone:
        url = gone.url
    with pytest.raises(Pix2zError, match=r"gave up after 3 .*: Connection refused; no bytes are"):
        fetch(url)
    assert len(waits) == 2
    assert names(path) == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(fetch, server, path, waits, status):
    server.script = [answer(status, b"later"), answer(status)]
    fetch()
    assert path.read_bytes() == CONTENT
    assert len(waits) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_up_to_its_cap(fetch, server, waits, status):
    hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    values = ["7", hour, "99999", past, "soon", "-1"]
    server.script = [answer(status, Retry_After=value) for value in values]
    fetch(attempts=10)
    assert waits[:3] == [7.0, 300.0, 300.0]
    assert all(4.0 <= wait <= 32.0 for wait in waits[3:])  # doubled with each, as without


def test_progress_resets_the_count_of_attempts(fetch, server, path, waits):
    server.script = [answer(503), answer(503), truncate(1000)] * 4
    fetch(attempts=3)
    assert path.read_bytes() == CONTENT
    assert len(waits) == 12


def test_without_progress_it_gives_up_and_the_next_call_goes_on(fetch, server, path, waits):
    server.script = [truncate(1000), answer(503), answer(503), answer(503), answer(503)]
    with pytest.raises(Pix2zError) as caught:
        fetch(attempts=4)
    assert str(caught.value) == (
        f"{server.url}: gave up after 4 attempts without progress, the last: "
        "HTTP 503 Service Unavailable; 1000 bytes are kept, and the same command goes on from them"
    )
    assert caught.value.exit_code == 1
    assert len(waits) == 4  # none before giving up
    assert names(path) == PARTIAL
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.requests[-1].sent == len(CONTENT) - 1000


def test_a_server_that_ignores_ranges_is_read_from_the_start(left, fetch, server, path):
    server.script = [whole]
    assert fetch().sha256 == DIGEST
    assert path.read_bytes() == CONTENT
    assert server.starts == [PART]


def test_beginning_anew_and_breaking_off_at_the_same_place_is_no_progress(fetch, server):
    server.script = [truncate(1000, ranges=False)] * 9
    with pytest.raises(Pix2zError, match="gave up after 3 attempts .* ended too early; 1000 bytes"):
        fetch(attempts=3)
    assert len(server.requests) == 4  # the first brought 1000 bytes


def test_a_changed_file_is_fetched_from_the_start(left, fetch, server, path):
    server.script = [change(OTHER, etag='"two"')]
    assert fetch().etag == '"two"'
    assert path.read_bytes() == OTHER
    assert server.starts == [PART]
    assert server.requests[0].sent == len(OTHER)


@pytest.mark.parametrize("etag", ['"two"', None])
def test_a_range_of_another_version_is_not_appended(left, fetch, server, path, etag):
    """A server without If-Range: told by ETag, or by Last-Modified where there is none."""
    told = f"bytes {PART}-{len(CONTENT) - 1}/{len(CONTENT)}"
    changed = {"ETag": etag, "Last_Modified": "Tue, 02 Mar 2021 00:00:00 GMT"}
    server.script = [answer(206, CONTENT[PART:], Content_Range=told, **changed)]
    server.script += [change(OTHER, etag=etag)]
    fetch()
    assert path.read_bytes() == OTHER
    assert server.starts == [PART, 0]


def test_without_validators_the_total_tells_versions_apart(fetch, server, path):
    server.etag = server.last_modified = None
    server.script = [truncate(PART), change(OTHER, etag=None)]
    fetch()
    assert path.read_bytes() == OTHER
    assert server.starts == [0, PART, 0]
    assert "if-range" not in server.requests[1].headers


def test_a_file_that_became_shorter_than_its_part_is_fetched_anew(fetch, server, path):
    server.etag = server.last_modified = None
    server.script = [truncate(PART), change(OTHER[:PART], etag=None)]
    fetch()
    assert path.read_bytes() == OTHER[:PART]
    assert server.starts == [0, PART, 0]


def test_a_weak_etag_is_not_asked_for_but_compared(fetch, server, path):
    server.etag = 'W/"one"'
    server.script = [truncate(PART)]
    fetch()
    assert server.requests[1].headers["if-range"] == server.last_modified
    assert path.read_bytes() == CONTENT


LAST = len(CONTENT) - 1


@pytest.mark.parametrize(
    "told",
    [
        None,
        "nonsense",
        f"bytes 0-{LAST}/{LAST + 1}",
        f"bytes {PART + 1}-{LAST}/{LAST + 1}",
        f"bytes {PART}-{LAST}/{LAST + 2}",
        f"bytes {PART}-{LAST + 1}/{LAST + 1}",
        f"bytes {PART}-{PART - 1}/{LAST + 1}",
    ],
)
def test_a_wrong_range_stops_at_once_and_keeps_what_is_here(left, fetch, server, path, told, waits):
    waits.clear()
    server.script = [answer(206, CONTENT[PART:], Content_Range=told)]
    with pytest.raises(Pix2zError, match=f"206 with Content-Range .*; expected bytes {PART} to"):
        fetch()
    assert waits == []
    assert partial_path(path).read_bytes() == CONTENT[:PART]
    fetch()
    assert path.read_bytes() == CONTENT


def test_a_range_that_nobody_asked_for_stops_at_once(fetch, server, path):
    server.script = [answer(206, CONTENT, Content_Range=f"bytes 0-{LAST}/{LAST + 1}")]
    with pytest.raises(Pix2zError, match="expected status 200 and the whole file"):
        fetch()
    assert names(path) == []


def test_a_range_that_ends_early_is_followed_by_the_next(left, fetch, server, path):
    told = f"bytes {PART}-{2 * PART - 1}/{LAST + 1}"
    server.script = [answer(206, CONTENT[PART : 2 * PART], Content_Range=told)]
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.starts == [PART, 2 * PART]


def test_ranges_without_bytes_are_no_progress(left, fetch, server, path):
    told = f"bytes {PART}-{LAST}/{LAST + 1}"
    server.script = [answer(206, Content_Range=told)] * 9
    with pytest.raises(Pix2zError, match=f"the last: the server sent less than the rest; {PART} b"):
        fetch(attempts=3)
    assert len(server.requests) == 3


def test_more_bytes_than_told_are_not_kept(left, fetch, server, path):
    told = f"bytes {PART}-{LAST}/{LAST + 1}"
    server.script = [answer(206, CONTENT[PART:] + b"more", Content_Range=told)]
    with pytest.raises(Pix2zError, match=f"more than the {LAST + 1} bytes it told of"):
        fetch()
    assert names(path) == []


def test_a_file_of_unknown_size_is_taken_with_a_warning(fetch, server, path, caplog):
    server.script = [answer(503), answer(200, CONTENT, Content_Length=None)]
    with caplog.at_level("WARNING"):
        assert fetch().bytes == len(CONTENT)
    assert path.read_bytes() == CONTENT
    assert "of unknown size; only its digest" in caplog.text


def test_a_part_of_unknown_size_is_begun_anew(fetch, server, path):
    def break_off(handler):
        handler.begin(200, Transfer_Encoding="chunked")
        handler.send(b"%x\r\n" % PART + CONTENT[:PART] + b"\r\n")

    server.script = [break_off]
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.starts == [0, 0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204])
def test_what_will_not_pass_stops_at_once(fetch, server, path, waits, status):
    server.script = [answer(status)]
    with pytest.raises(InputError, match=rf"{server.url}: the server answers HTTP {status} [A-Z]"):
        fetch()
    assert len(server.requests) == 1
    assert waits == []
    assert names(path) == []


def test_an_error_page_sent_as_a_file_is_refused(fetch, server, path, waits):
    server.script = [answer(200, HTML, Content_Type="text/html")]
    with pytest.raises(InputError, match=r"sends as text/html begins with b'<!DOCTYPE html>.*HDF"):
        fetch()
    assert len(server.requests) == 1
    assert waits == []
    assert names(path) == []


def test_an_error_page_does_not_cost_what_is_here(left, fetch, server, path):
    server.script = [answer(200, HTML, Content_Type="text/html", ETag=None, Last_Modified=None)]
    with pytest.raises(InputError, match="text/html"):
        fetch()
    assert partial_path(path).read_bytes() == CONTENT[:PART]
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.starts == [PART, PART]


@pytest.mark.parametrize("body", [b"", HDF5_SIGNATURE[:5]])
def test_a_file_shorter_than_its_signature_is_refused(fetch, server, path, body):
    server.content = body
    with pytest.raises(InputError, match="expected b'.x89HDF"):
        fetch()
    assert names(path) == []


def test_without_a_signature_any_file_is_taken_even_an_empty_one(fetch, server, path):
    server.content = b""
    assert fetch(signature=None).bytes == 0
    assert path.read_bytes() == b""
    assert names(path) == WHOLE


def test_a_part_taken_without_signature_is_checked_in_the_end(fetch, server, path):
    server.content = b"no HDF5" * 20_000
    server.script = [truncate(PART), answer(404)]
    with pytest.raises(InputError, match="404"):
        fetch(signature=None)
    with pytest.raises(InputError, match="what was received begins with b'no HDF5"):
        fetch()
    assert names(path) == []


def test_compression_that_nobody_asked_for_is_refused(fetch, server, path):
    server.script = [answer(200, b"...", Content_Encoding="gzip")]
    with pytest.raises(Pix2zError, match="Content-Encoding gzip"):
        fetch()
    assert names(path) == []


Usage = namedtuple("Usage", "total used free")


def test_a_disk_too_small_is_told_before_the_first_byte(fetch, server, path, monkeypatch):
    def sized(handler):
        handler.begin(200, Content_Length=23_600_000_000)

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1_250_000_000))
    server.script = [sized]
    with pytest.raises(Pix2zError) as caught:
        fetch()
    assert str(caught.value) == (
        f"{path}: 23.87 GB of free disk space are needed, 1.25 GB are there; no bytes are kept"
    )
    assert names(path) == []


def test_only_what_is_still_to_come_needs_room(left, fetch, server, path, monkeypatch):
    free = 2**28 + len(CONTENT) - PART
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free - 1))
    with pytest.raises(Pix2zError, match=f"0.27 GB are there; {PART} bytes are kept"):
        fetch()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free))
    fetch()
    assert path.read_bytes() == CONTENT


def test_a_disk_that_fills_up_is_one_line_and_keeps_the_bytes(left, fetch, path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Partial, "append", full)
        with pytest.raises(Pix2zError, match=f"No space left on device; {PART} bytes are kept"):
            fetch()
    fetch()
    assert path.read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match=r"taken/file: cannot be written \((Not a d|File exists)"):
        download(server.url, tmp_path / "taken" / "file")
    with pytest.raises(InputError, match="expected a file or nothing"):
        download(server.url, tmp_path)
    assert server.requests == []


def test_the_expected_digest_is_checked_whatever_its_case(fetch, path):
    assert fetch(sha256=DIGEST.upper()).sha256 == DIGEST
    assert path.read_bytes() == CONTENT


def test_another_digest_than_expected_leaves_nothing(left, fetch, server, path):
    with pytest.raises(IntegrityError) as caught:
        fetch(sha256="0" * 64)
    assert str(caught.value) == (
        f"{server.url}: has SHA-256 {DIGEST}, expected {'0' * 64}; what was received is removed"
    )
    assert names(path) == []


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, DIGEST + "0"])
def test_what_is_no_digest_is_refused_without_a_request(fetch, server, path, digest):
    with pytest.raises(InputError, match="sha256: expected 64 hexadecimal digits"):
        fetch(sha256=digest)
    assert server.requests == []
    assert names(path) == []


def test_a_second_call_verifies_without_a_request(fetch, server, path):
    first = fetch()
    seen = []
    assert fetch(progress=seen.append) == first
    assert fetch("http://mirror.invalid/file.h5", sha256=DIGEST) == first
    assert len(server.requests) == 1
    assert {now.stage for now in seen} == {"checking"}
    assert seen[-1].done == len(CONTENT)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (CONTENT[:-1], f"has {len(CONTENT) - 1} bytes, its record {len(CONTENT)}"),
        (CONTENT[:-1] + b"x", f"has SHA-256 [0-9a-f]+, its record {DIGEST}"),
    ],
)
def test_a_file_unlike_its_record_is_kept_unless_forced(fetch, server, path, changed, says):
    fetch()
    path.write_bytes(changed)
    with pytest.raises(IntegrityError, match=f"file: {says}; it is left as it is"):
        fetch()
    assert path.read_bytes() == changed
    assert len(server.requests) == 1
    fetch(force=True)
    assert path.read_bytes() == CONTENT
    assert fetch().sha256 == DIGEST


def test_a_file_without_a_record_or_of_another_url_is_kept(fetch, server, path):
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"no file\.provenance\.json says from where; it is left"):
        fetch()
    provenance_path(path).write_text("{}")
    with pytest.raises(InputError, match="expected the record of a download"):
        fetch()
    assert path.read_bytes() == b"mine"
    assert server.requests == []
    fetch(force=True)
    with pytest.raises(InputError, match=f"is from {server.url}, not from http://other.invalid/"):
        fetch("http://other.invalid/x")
    with pytest.raises(IntegrityError, match=f"SHA-256 {DIGEST}, expected 0000"):
        fetch(sha256="0" * 64)
    assert path.read_bytes() == CONTENT


def test_a_forced_download_that_fails_leaves_the_old_file(fetch, server, path):
    fetch()
    server.script = [answer(404)]
    with pytest.raises(InputError, match="404"):
        fetch(force=True)
    assert path.read_bytes() == CONTENT
    assert names(path) == WHOLE
    assert fetch().sha256 == DIGEST


@pytest.mark.parametrize(
    "version", [None, "no JSON", "{}", '{"url": "http://x/", "total": 1}', "[]"]
)
def test_bytes_of_an_unknown_version_are_not_used(left, fetch, server, path, version):
    place = path.with_name(PARTIAL[1])
    place.unlink() if version is None else place.write_text(version)
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.starts == [0]


def test_bytes_from_another_url_are_not_used(left, fetch, server, path):
    fetch(server.url + "?mirror")
    assert path.read_bytes() == CONTENT
    assert server.starts == [0]


def test_bytes_beyond_the_told_total_are_not_used(left, fetch, server, path):
    with partial_path(path).open("ab") as file:
        file.write(CONTENT)
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.starts == [0]


def test_a_process_that_died_before_the_last_rename_leaves_nothing_to_fetch(
    fetch, server, path, monkeypatch
):
    def die(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Partial, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    assert not path.exists()
    assert fetch().sha256 == DIGEST
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_second_process_is_told_and_disturbs_nothing(left, fetch, server, path):
    def ignore(*_):
        pass

    with (
        open_partial(path, url=server.url, report=ignore) as held,
        pytest.raises(Pix2zError, match="file: another process is fetching it"),
    ):
        fetch()
    assert held.size == PART
    assert server.requests == []
    fetch()
    assert server.starts == [PART]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_finished_between_opening_and_locking_is_not_written_into(
    left, fetch, server, path, monkeypatch, force
):
    lock = fcntl.flock

    def finish_first(file, operation):
        monkeypatch.setattr(fcntl, "flock", lock)
        fetch()  # as another process would
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    assert fetch(force=force).sha256 == DIGEST
    assert path.read_bytes() == CONTENT
    assert names(path) == WHOLE
    assert server.starts == ([PART, 0] if force else [PART])


def test_a_file_system_without_locks_is_used_with_a_warning(fetch, path, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    fetch()
    assert path.read_bytes() == CONTENT
    assert "no locks here" in caplog.text


def wait_for(condition):
    """Poll; the deadline only ends a test that fails."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_killed_process_loses_no_byte(fetch, server, path):
    server.script = [stall(PART)]
    code = "import sys; from pix2z.archive.download import download; download(*sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", code, server.url, str(path)]) as process:
        wait_for(lambda: partial_path(path).exists() and partial_path(path).stat().st_size == PART)
        process.kill()
    assert names(path) == PARTIAL
    seen = []
    assert fetch(progress=seen.append).sha256 == DIGEST
    assert path.read_bytes() == CONTENT
    assert names(path) == WHOLE
    assert [request.sent for request in server.requests] == [PART, len(CONTENT) - PART]
    assert Progress("checking", PART, PART) in seen


def test_names_are_never_taken_from_the_server(fetch, server, path):
    evil = {"Content_Disposition": "attachment; filename=../../evil"}
    server.script = [answer(302, Location="/elsewhere/evil.h5"), answer(200, CONTENT, **evil)]
    fetch()
    assert [seen.path for seen in server.requests] == ["/set/file.h5", "/elsewhere/evil.h5"]
    assert names(path) == WHOLE


def test_a_redirect_is_followed_with_its_range(left, fetch, server, path):
    server.script = [answer(307, Location=f"http://127.0.0.1:{server.port}/other"), serve]
    assert fetch().url == server.url
    assert path.read_bytes() == CONTENT
    assert [(seen.path, seen.start) for seen in server.requests] == [
        ("/set/file.h5", PART),
        ("/other", PART),
    ]


def test_redirects_in_a_circle_end(fetch, server, path):
    server.script = [answer(301, Location="/set/file.h5")] * 20
    with pytest.raises(Pix2zError, match="more than 10 redirects"):
        fetch()
    assert len(server.requests) == 11
    assert names(path) == []


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_to_another_protocol_is_refused(fetch, server, target):
    server.script = [answer(302, Location=target)]
    with pytest.raises(InputError, match="expected a URL that begins with https:// or http://"):
        fetch()


class Redirecting(BaseAdapter):
    """Stands in for a server with a certificate; answers each request with a redirect."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def send(self, request, **_):
        response = requests.Response()
        response.status_code, response.request, response.url = 302, request, request.url
        response.headers["Location"] = self.target
        response.raw = HTTPResponse(io.BytesIO(), preload_content=False)
        return response

    def close(self):
        """Hold nothing."""


def test_a_redirect_from_https_to_http_is_refused(fetch, server, path):
    with requests.Session() as session:
        session.mount("https://", Redirecting(server.url))
        with pytest.raises(Pix2zError, match=f"redirected from https to {server.url}, which is"):
            fetch("https://portal.invalid/file.h5", session=session)
    assert server.requests == []
    assert names(path) == []


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "file:///etc/passwd", "host/x", "http://", "", "http://[::1/x"]
)
def test_other_urls_are_refused(fetch, path, url):
    with pytest.raises(InputError, match="expected a URL that begins|not a URL"):
        download(url, path)
    assert names(path) == []


def test_a_password_in_a_url_is_refused_and_not_repeated(path):
    with pytest.raises(InputError, match="without user name or password") as caught:
        download("https://me:secret@host.invalid/x", path)
    assert "secret" not in str(caught.value)


def test_a_session_serves_many_files_and_stays_open(server, tmp_path):
    with requests.Session() as session:
        for name in ("a", "a.json", "a.version.json"):
            download(server.url, tmp_path / "many" / name, session=session)
            assert (tmp_path / "many" / name).read_bytes() == CONTENT
    assert len(list((tmp_path / "many").iterdir())) == 6


@given(st.integers(1, 2000), st.none() | st.floats(0, 1e6), st.integers())
def test_waits_double_within_bounds_and_repeat_with_their_seed(failures, asked, seed):
    policy = RetryPolicy(rng=random.Random(seed))
    wait = policy.wait(failures, asked)
    backoff = min(60.0, 2.0 ** min(failures - 1, 10))
    least = min(asked or 0.0, 300.0)
    assert max(least, backoff / 2) <= wait <= max(least, backoff)
    assert wait == RetryPolicy(rng=random.Random(seed)).wait(failures, asked)
