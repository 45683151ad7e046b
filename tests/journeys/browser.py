"""Somebody's application in a real browser: headless Chromium, and a page served from a port that is not Haze's."""

import contextlib
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness import MODULES, clean_environment
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",  # it refuses to start as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Bare names that the SDKs' own modules import. Checking webhooks is nothing a page does, and has no browser build.
PAGE = b"""<!doctype html>
<title>An application</title>
<link rel="icon" href="data:,">
<script type="importmap">
{"imports": {
  "openai": "/openai/index.mjs",
  "@anthropic-ai/sdk": "/@anthropic-ai/sdk/index.mjs",
  "@opentelemetry/api": "/@opentelemetry/api/dist/index.mjs",
  "standardwebhooks": "data:text/javascript,export class Webhook {}"
}}
</script>
"""


class Application(SimpleHTTPRequestHandler):
    """The page, and the installed Node modules as a bundler-less application would have them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(MODULES))

    def do_GET(self) -> None:
        """Answer with the page or a module."""
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def application() -> Iterator[str]:
    """Serve the page; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join(5)


@contextlib.contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """Start Debian's Chromium with a profile of its own."""
    with sync_playwright() as playwright:
        env: dict[str, str | float | bool] = {**clean_environment(home)}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, env=env)
        try:
            yield browser
        finally:
            browser.close()
