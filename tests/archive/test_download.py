"""Downloads from a real server on this machine that misbehaves as it is told; no test waits."""

import errno
import hashlib
import json
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
from urllib3 import Retry

from pix2z.archive.addresses import HDF5_SIGNATURE
from pix2z.archive.download import PATIENCE, download
from pix2z.archive.http_answers import new_session
from pix2z.archive.partial_file import Partial, open_partial, partial_path
from pix2z.errors import InputError, IntegrityError, Pix2zError
from tests.archive.server import answer, archive_serving, change, serve, stall, truncate

CONTENT = HDF5_SIGNATURE + np.random.default_rng(1).bytes(300_000)
OTHER = HDF5_SIGNATURE + np.random.default_rng(2).bytes(250_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PART = 100_000
LAST = len(CONTENT) - 1
HTML = b"<!DOCTYPE html><title>Scheduled maintenance</title>" * 10

WHOLE = ["file", "file.provenance.json"]
PARTIAL = [".partial-file", ".partial-file.version.json"]


@pytest.fixture
def archive():
    with archive_serving() as served:
        yield served


@pytest.fixture
def server(archive):
    return archive.add("/set/file.h5", CONTENT)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


@pytest.fixture
def fetch(server, path):
    """Download into `file`, giving up after `attempts` without progress, without waiting."""

    def run(url=None, *, attempts=3, **options):
        return download(
            url or server.url,
            path,
            **{
                "signature": HDF5_SIGNATURE,
                "patience": Retry(total=attempts - 1),
            }
            | options,
        )

    return run


@pytest.fixture
def left(fetch, server, path):
    """Leave the first 100,000 bytes behind, as an attempt that gave up does."""
    server.script = [truncate(PART), answer(503)]
    with pytest.raises(Pix2zError, match=f"{PART} bytes are kept"):
        fetch(attempts=1)
    assert partial_path(path).read_bytes() == CONTENT[:PART]
    server.requests.clear()


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_the_file_and_its_record_are_all_that_is_left(fetch, server, path):
    seen = []
    fetch(progress=lambda *now: seen.append(now), sha256=DIGEST.upper())
    assert path.read_bytes() == CONTENT
    assert names(path) == WHOLE
    record = json.loads((path.parent / WHOLE[1]).read_text())
    assert abs(datetime.now(UTC) - datetime.fromisoformat(record.pop("fetched"))).days == 0
    assert record == {
        "url": server.url,
        "sha256": DIGEST,
        "bytes": len(CONTENT),
        "etag": server.etag,
        "last_modified": server.last_modified,
    }
    for doing in ("receiving", "checking"):
        assert (doing, len(CONTENT), len(CONTENT)) in seen
    assert server.requests[0].headers["accept-encoding"] == "identity"


# Resumed


@pytest.mark.parametrize(
    ("faults", "starts"),
    [
        ([truncate(PART), truncate(PART)], [0, PART, 2 * PART]),
        ([answer(408), answer(500), truncate(PART), answer(503)], [0, 0, 0, PART, PART]),
        ([stall(PART)], [0, PART]),
    ],
)
def test_every_byte_comes_once_whatever_happens_on_the_way(
    fetch, server, path, faults, starts, monkeypatch
):
    monkeypatch.setattr("pix2z.archive.http_answers.TIMEOUT", (20.0, 0.5))
    server.script = [*faults]
    assert fetch(attempts=4).sha256 == DIGEST
    assert path.read_bytes() == CONTENT
    assert names(path) == WHOLE
    assert server.starts == starts
    served = [seen for seen in server.requests if seen.sent > 100]
    assert sum(seen.sent for seen in served) == len(CONTENT)
    assert [seen.headers.get("if-range") for seen in served[1:]] == ['"one"'] * (len(served) - 1)


def test_a_killed_process_loses_no_byte(fetch, server, path):
    server.script = [stall(PART)]
    code = "import sys; from pix2z.archive.download import download; download(*sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", code, server.url, str(path)]) as process:
        deadline = time.monotonic() + 60
        while not (partial_path(path).exists() and partial_path(path).stat().st_size == PART):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    assert names(path) == PARTIAL
    assert fetch().sha256 == DIGEST
    assert path.read_bytes() == CONTENT
    assert names(path) == WHOLE
    assert [request.sent for request in server.requests] == [PART, len(CONTENT) - PART]


def test_a_connection_that_is_refused_is_tried_again_and_named(fetch, path):
    with archive_serving() as gone:
        url = f"{gone.url}/x"
    with pytest.raises(Pix2zError, match=r"gave up after 3 .*: Connection refused; no bytes are"):
        fetch(url)
    assert names(path) == []


def test_every_new_attempt_waits_and_as_long_as_the_server_asks(fetch, server, monkeypatch):
    waits = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    asked = [answer(503, Retry_After=value) for value in ("7", hour, "99999", "soon", None)]
    dropped = [truncate(PART), truncate(0), truncate(PART)]
    server.script = asked + dropped
    fetch(patience=PATIENCE.new(backoff_jitter=0, backoff_max=12))
    assert waits == [7.0, 300.0, 300.0, 8.0, 12.0, 1.0, 1.0, 1.0]


def test_beginning_anew_and_breaking_off_at_the_same_place_is_no_progress(fetch, server):
    server.etag = server.last_modified = None
    server.script = [truncate(1000, ranges=False)] * 19
    with pytest.raises(Pix2zError, match=r"gave up after 3 attempts .* more expected\); 1000 byt"):
        fetch()


# Another file on the server


@pytest.mark.parametrize(
    ("etag", "size"), [('"two"', len(OTHER)), (None, len(OTHER)), (None, PART)]
)
def test_a_file_that_changed_is_fetched_from_the_start(left, fetch, server, path, etag, size):
    """Told by If-Range; without an ETag by the total; where nothing is left of it, by 416."""
    server.last_modified = "Tue, 02 Mar 2021 00:00:00 GMT" if etag else None
    server.script = [change(OTHER[:size], etag=etag)]
    record = fetch()
    assert record.etag == etag
    assert path.read_bytes() == OTHER[:size]
    assert server.starts == [PART, 0]


@pytest.mark.parametrize(
    ("told", "headers"),
    [
        (f"bytes {PART}-{LAST}/{LAST + 1}", {"ETag": '"two"'}),
        (f"bytes {PART}-{LAST}/{LAST + 2}", {}),
        (f"bytes 0-{LAST}/{LAST + 1}", {}),
        (None, {}),
    ],
)
def test_another_range_than_the_rest_of_the_same_file_is_not_appended(
    left, fetch, server, path, told, headers
):
    server.script = [answer(206, OTHER[PART:], Content_Range=told, **headers)]
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.starts == [PART, 0]


@pytest.mark.parametrize("etag", ['W/"one"', None])
def test_without_a_strong_etag_the_date_or_the_total_must_be_the_same(fetch, server, path, etag):
    server.etag = etag
    server.last_modified = server.last_modified if etag else None
    server.script = [truncate(PART)]
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.requests[1].headers.get("if-range") == server.last_modified
    assert server.starts == [0, PART]


@pytest.mark.parametrize("change", [{"url": "http://x/"}, {"total": PART - 1}, None])
def test_bytes_of_an_unknown_version_are_not_used(left, fetch, server, path, change):
    place = path.with_name(PARTIAL[1])
    kept = json.loads(place.read_text())
    place.write_text("no JSON" if change is None else json.dumps(kept | change))
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.starts == [0]


# Sizes


def test_more_bytes_than_told_are_not_kept(left, fetch, server, path):
    told = f"bytes {PART}-{LAST}/{LAST + 1}"
    server.script = [answer(206, CONTENT[PART:] + b"more", Content_Range=told)]
    with pytest.raises(Pix2zError, match=f"more than the {LAST + 1} bytes it told of"):
        fetch()
    assert names(path) == []


def test_a_file_of_unknown_size_is_taken_with_a_warning_if_it_comes_in_one(
    fetch, server, path, caplog
):
    def break_off(handler):
        handler.begin(200, Transfer_Encoding="chunked")
        handler.send(b"%x\r\n" % PART + CONTENT[:PART] + b"\r\n")

    server.script = [break_off, answer(200, CONTENT, Content_Length=None)]
    with caplog.at_level("WARNING"):
        assert fetch().bytes == len(CONTENT)
    assert path.read_bytes() == CONTENT
    assert server.starts == [0, 0]
    assert "of unknown size; only its digest" in caplog.text


Usage = namedtuple("Usage", "total used free")


def test_a_disk_too_small_is_told_before_the_first_byte(fetch, server, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1_250_000_000))
    server.script = [lambda handler: handler.begin(200, Content_Length=23_600_000_000)]
    with pytest.raises(Pix2zError) as caught:
        fetch()
    assert str(caught.value) == (
        f"{path}: 23.87 GB of free disk space are needed, 1.25 GB are there; no bytes are kept"
    )
    assert names(path) == []


def test_a_disk_that_fills_up_is_one_line_and_keeps_the_bytes(left, fetch, path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Partial, "append", full)
        with pytest.raises(Pix2zError, match=f"No space left on device; {PART} bytes are kept"):
            fetch()
    fetch()
    assert path.read_bytes() == CONTENT


# Refused


@pytest.mark.parametrize("status", [403, 404, 206])
def test_what_will_not_pass_stops_at_once(fetch, server, path, status):
    server.script = [answer(status)]
    with pytest.raises(InputError, match=rf"{server.url}: the server answers HTTP {status} [A-Z]"):
        fetch()
    assert len(server.requests) == 1
    assert names(path) == []


def test_an_error_page_sent_as_a_file_is_refused_and_costs_nothing(left, fetch, server, path):
    page = answer(200, HTML, Content_Type="text/html", ETag=None, Last_Modified=None)
    server.script = [page, page]
    with pytest.raises(InputError, match=r"the server sends begins with b'<!DOCTYPE html>.*HDF"):
        fetch()
    assert partial_path(path).read_bytes() == CONTENT[:PART]
    fetch()
    assert path.read_bytes() == CONTENT
    assert server.starts == [PART, 0, PART]


def test_another_digest_than_expected_leaves_nothing(left, fetch, server, path):
    with pytest.raises(IntegrityError) as caught:
        fetch(sha256="0" * 64)
    assert str(caught.value) == (
        f"{server.url}: has SHA-256 {DIGEST}, expected {'0' * 64}; what was received is removed"
    )
    assert names(path) == []


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        (None, {"sha256": "g" * 64}, "sha256: expected 64 hexadecimal digits"),
        ("file:///etc/passwd", {}, "expected a URL that begins"),
        ("http://[::1/x", {}, "not a URL"),
        ("https://me:secret@host.invalid/x", {}, "without user name or password"),
    ],
)
def test_what_is_no_digest_or_no_url_is_refused_without_a_request(
    fetch, server, path, url, options, words
):
    with pytest.raises(InputError, match=words) as caught:
        fetch(url, **options)
    assert "secret" not in str(caught.value)
    assert server.requests == []
    assert names(path) == []


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match=r"taken/file: cannot be written \((Not a d|File exists)"):
        download(server.url, tmp_path / "taken" / "file")
    with pytest.raises(InputError, match="expected a file or nothing"):
        download(server.url, tmp_path)
    assert server.requests == []


# A file that is there


def test_a_second_call_verifies_without_a_request(fetch, server):
    first = fetch()
    seen = []
    assert fetch(progress=lambda doing, *_: seen.append(doing)) == first
    assert fetch("http://mirror.invalid/file.h5", sha256=DIGEST) == first
    assert len(server.requests) == 1
    assert set(seen) == {"checking"}


def test_a_file_unlike_its_record_is_kept_unless_forced(fetch, server, path):
    fetch()
    changed = CONTENT[:-1] + b"x"
    path.write_bytes(changed)
    says = f"file: has SHA-256 [0-9a-f]+, its record {DIGEST}; it is left as it is"
    with pytest.raises(IntegrityError, match=says):
        fetch()
    server.script = [answer(404)]
    with pytest.raises(InputError, match="404"):
        fetch(force=True)
    assert path.read_bytes() == changed
    assert names(path) == WHOLE
    fetch(force=True)
    assert path.read_bytes() == CONTENT
    assert fetch().sha256 == DIGEST


def test_a_file_without_a_record_or_of_another_url_is_kept(fetch, server, path):
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"no file\.provenance\.json says from where; it is left"):
        fetch()
    (path.parent / WHOLE[1]).write_text("{}")
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


# Two processes, and one that dies


def test_a_second_process_is_told_and_disturbs_nothing(left, fetch, server, path):
    with (
        open_partial(path, server.url) as held,
        pytest.raises(Pix2zError, match="file: another process is fetching it"),
    ):
        fetch()
    assert held.version.total == len(CONTENT)
    assert server.requests == []
    fetch()
    assert server.starts == [PART]


# Redirects


def test_a_redirect_is_followed_with_its_range_and_names_nothing(left, fetch, archive, path):
    moved = archive.add("/elsewhere/evil.h5", CONTENT)
    evil = {"Content_Disposition": "attachment; filename=../../evil"}
    archive.files["/set/file.h5"].script = [answer(307, Location=moved.url, **evil), serve]
    assert fetch().url == archive.files["/set/file.h5"].url
    assert path.read_bytes() == CONTENT
    assert moved.starts == [PART]
    assert names(path) == WHOLE


def test_a_redirect_to_another_protocol_is_refused(fetch, server, path):
    server.script = [answer(302, Location="file:///etc/passwd")]
    with pytest.raises(InputError, match="cannot be requested .*'file:///etc/passwd'"):
        fetch()
    assert names(path) == []


def test_a_redirect_from_https_to_http_is_refused(server):
    redirect = requests.Response()
    redirect.status_code, redirect.url = 302, "https://portal.invalid/file.h5"
    redirect.headers["Location"] = server.url
    with (
        new_session() as session,
        pytest.raises(Pix2zError, match=f"redirects to {server.url}, which is not followed"),
    ):
        session.get_redirect_target(redirect)
