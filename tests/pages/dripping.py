"""A provider that says one word after the other, when it is told to: what a browser sees of a stream takes time."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHANNEL = """
[[channels]]
name = "dripping"
kind = "openai-compatible"
api_key = "x"
base_url = "http://127.0.0.1:{port}/v1"
models = ["dripping", "failing"]
[[models]]
id = "dripping"
input = 1
output = 10
[[models]]
id = "failing"
input = 1
output = 10
"""


class Dripping(ThreadingHTTPServer):
    """Words go out one by one: each waits for `more`; once `left` is set, a caller has hung up on it."""

    def __init__(self, *words: str) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.words, self.more, self.left = words, threading.Semaphore(0), threading.Event()
        self.asked: list[dict[str, Any]] = []

    @property
    def channel(self) -> str:
        """Its rows in config.toml."""
        return CHANNEL.replace("{port}", str(self.server_port))


class Answer(BaseHTTPRequestHandler):
    """A chat answer."""

    server: Dripping
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Stream the words; the model `failing` is refused."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        if asked["model"] == "failing":
            self._refuse()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for word in self.server.words:
                self._tell({"index": 0, "delta": {"content": word}, "finish_reason": None})
                self.server.more.acquire()
            self._tell({"index": 0, "delta": {}, "finish_reason": "stop"}, usage=True)
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.server.left.set()

    def _refuse(self) -> None:
        body = json.dumps({"error": {"message": "temperature is not supported", "type": "invalid_request_error"}})
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def _tell(self, choice: dict[str, Any], *, usage: bool = False) -> None:
        event: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "dripping"}
        event |= {"choices": [choice]}
        if usage:
            event["usage"] = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""


@contextmanager
def dripping(*words: str) -> Iterator[Dripping]:
    """One that runs."""
    with Dripping(*words) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            for _ in words:
                server.more.release()
            server.shutdown()
            thread.join()
