"""A page of this machine for this machine: on 127.0.0.1, under a path that cannot be guessed, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from minisgd.lab.runs.folder import Folder, read_folder
from minisgd.lab.runs.growing import live_page

LAST_LOOK = 5.0
"""Seconds for which the page is still served when the run has ended: two looks of the page."""


class _Server(HTTPServer):
    path = ""
    folder: Path


class _Handler(BaseHTTPRequestHandler):
    """Answers GET of the one path, from this machine by its own name, and refuses everything else."""

    server: _Server
    server_version, sys_version = "minisgd", ""

    def do_GET(self) -> None:
        host = f"127.0.0.1:{self.server.server_port}"
        if self.path != self.server.path or self.headers.get("Host") != host:
            self.send_error(404)
            return
        folder = read_folder(self.server.folder)
        version = f'"{_version(folder)}"'
        if self.headers.get("If-None-Match") == version:
            self.send_response(304)
            self.send_header("ETag", version)
            self.end_headers()
            return
        page = live_page(folder).encode()
        self.send_response(200)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(page))),
            ("ETag", version),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a look at the page is no news."""


def _version(folder: Folder) -> str:
    """Return what changes whenever the page would."""
    return f"{len(folder.lines)}-{folder.finished}-{folder.complete}"


def serve(path: str | Path, announce: Callable[[str], None]) -> None:
    """Serve the growing report of a folder until the run in it ends, or until KeyboardInterrupt.

    announce: called with the address

    Raises:
        DataError: The folder is none of a study or training run.
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    folder = read_folder(path)
    live_page(folder)  # what cannot be drawn is refused now
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.path, server.folder = f"/{secrets.token_urlsafe(24)}/", folder.path
        server.timeout = 1.0
        announce(f"http://127.0.0.1:{server.server_port}{server.path}")
        looks = LAST_LOOK
        while looks > 0:
            server.handle_request()
            looks = looks - server.timeout if read_folder(path).finished else LAST_LOOK
