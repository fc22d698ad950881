"""``pix2z serve``: a registered version answers over HTTP."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from pix2z.cli.display import plain
from pix2z.cli.registry import session
from pix2z.cli.which_model import RegisteredOption
from pix2z.errors import Pix2zError
from pix2z.process import ended_by_signals

__all__ = ["serve"]


def serve(
    model: RegisteredOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines ask.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 5001,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with its own copy.")] = 1,
) -> None:
    """Serve redshifts over HTTP until Ctrl-C: POST JSON to /invocations.

    {"inputs": {"images": IMAGES, "ebv": [0.03], "pdf": true}}, where IMAGES is
    (n, 32, 32, 5) in nanomaggies, bands u g r i z last, null where masked:
    nested lists, or base64 text of little-endian float32; n is 1024 at most.
    ebv and pdf may be left out. A row per galaxy comes back: z_best, z_median,
    z_mean, z_mode, limits of the central 68 and 95 % intervals, pix2z_flags,
    all as in the table of `pix2z predict`. The version runs the code that was
    registered with it.
    """
    with ended_by_signals(as_ctrl_c=True), TemporaryDirectory(prefix="pix2z-serve-") as scratch:
        try:
            _serve(model, Path(scratch), host=host, port=port, workers=workers)
        except KeyboardInterrupt:
            return


def _serve(model: str | None, scratch: Path, *, host: str, port: int, workers: int) -> None:
    from pix2z.tracking.serving import free_port, is_loopback, running

    if not is_loopback(host):
        sys.stderr.write(
            f"warning: on {host}, everyone who reaches this machine may ask; there is no password\n"
        )
    port = free_port(host, port)
    with session() as store:
        from pix2z.tracking.model_names import DEFAULT_ARM, default_model, download, find_registered
        from pix2z.tracking.versions import read_versions

        name, words = (model, "") if model else default_model(shipped=False)
        if not model and name == DEFAULT_ARM:  # of the champion the line below tells
            sys.stderr.write(f"{words}\n")
        version = find_registered(read_versions(store.client), name)
        folder = download(store, version, scratch)
    also = f" (from {version.source})" if version.source != version.label else ""
    try:
        with running(folder, host=host, port=port, workers=workers) as server:
            line = f"{version.label}{also} answers at {server.address}; Ctrl-C ends it"
            sys.stdout.write(f"{plain(line).plain}\n")
            sys.stdout.flush()
            server.wait()
    except Pix2zError as error:
        raise Pix2zError(f"{version.label}: {error}") from error
