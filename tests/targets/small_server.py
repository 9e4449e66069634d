"""A server small enough for a test: it answers, runs shell commands that outlive it, and can hold memory.

GET /health · POST /sh (the body is run in a session of its own) · POST /exit (the body is the exit code)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BALLAST = bytearray(os.urandom(1)) * (int(os.environ.get("SMALL_SERVER_MEGABYTES", "0")) << 20)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/exit":
            os._exit(int(body))
        subprocess.Popen(["sh", "-c", body], start_new_session=True)
        self._answer(200)

    def log_message(self, format: str, *arguments: object) -> None:
        sys.stdout.write(f"{self.command} {self.path}\n")
        sys.stdout.flush()

    def _answer(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    kept = Path(os.environ.get("OH_CONVERSATIONS_PATH", "/workspace/conversations"))
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lives").open("a") as file:
        file.write(f"{os.uname().nodename}\n")
    ThreadingHTTPServer((given.host, given.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
