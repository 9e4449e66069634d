"""Runs in a pod beside the server, which reaches neither this harness nor anything else: `python3 -c PROGRAM PORT VOLUME`.

It listens at PORT for streams of the harness, which come by port-forward and begin with one letter: `C` for the one that gives orders, `S`
for a spare one. What connects to a port that was ordered is handed a spare stream, headed by the number of the port: bytes pass as
they are. The directory VOLUME/journal is kept equal with the harness's: what tools append there is told, what the harness writes is put.
Only the standard library of an old Python, since it runs in the server's own image.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import queue
import select
import socket
import sys
import threading
import time
from pathlib import Path

CHUNK = 65536
EVERY_S = 0.02
SPARE_S = 15.0
BEGIN_S = 10.0
TOKENS = "tokens"


class Relay:
    """Threads, one for each direction of each stream; a pod has a handful of them."""

    def __init__(self, port: int, volume: Path) -> None:
        self.volume = volume
        self.spares: queue.Queue[socket.socket] = queue.Queue()
        self.ordered: set[int] = set()
        self.listening = listen(port)

    def run(self) -> None:
        while True:
            stream, _ = self.listening.accept()
            threading.Thread(target=self.welcome, args=(stream,), daemon=True).start()

    def welcome(self, stream: socket.socket) -> None:
        role = stream.recv(1)
        if role == b"C":
            self.obey(stream)
        elif role == b"S":
            self.spares.put(stream)
        else:
            stream.close()

    def obey(self, stream: socket.socket) -> None:
        over = threading.Event()
        with contextlib.suppress(OSError, ValueError):
            for line in stream.makefile("r", encoding="ascii"):
                order = json.loads(line)
                if "told" in order:
                    threading.Thread(target=self.tell, args=(stream, order["told"], over), daemon=True).start()
                if "port" in order and order["port"] not in self.ordered:
                    self.ordered.add(order["port"])
                    threading.Thread(
                        target=self.serve, args=(listen(order["port"]), order["port"]), daemon=True
                    ).start()
                done: dict[str, int | str] = {"done": order["number"], "failed": ""}
                try:
                    if "put" in order:
                        self.put(order["put"], base64.b64decode(order["data"]))
                    if "begin" in order:
                        begin(self.volume / order["begin"])
                    if "directory" in order:
                        self.make(self.volume / order["directory"])
                except OSError as error:
                    done["failed"] = f"{error.filename} cannot be made in the volume: {error.strerror}"
                stream.sendall(json.dumps(done).encode() + b"\n")
        over.set()
        stream.close()

    def make(self, directory: Path) -> None:
        if not directory.is_dir():
            directory.mkdir()
            directory.chmod(0o777)

    def put(self, name: str, data: bytes) -> None:
        place = self.volume / name
        aside = place.with_name(f".{place.name}.new")
        aside.write_bytes(data)
        aside.chmod(0o666)
        aside.replace(place)

    def tell(self, stream: socket.socket, told: dict[str, int], over: threading.Event) -> None:
        """What was appended to each file of tokens behind what the harness has already."""
        journal = self.volume / "journal"
        try:
            while not over.is_set():
                for place in journal.rglob(TOKENS):
                    name = str(place.relative_to(journal))
                    with place.open("rb") as file:
                        file.seek(told.get(name, 0))
                        fresh = file.read()
                    if fresh:
                        told[name] = told.get(name, 0) + len(fresh)
                        line = {"appended": name, "data": base64.b64encode(fresh).decode()}
                        stream.sendall(json.dumps(line).encode() + b"\n")
                time.sleep(EVERY_S)
        except OSError:
            return

    def serve(self, listening: socket.socket, port: int) -> None:
        while True:
            caller, _ = listening.accept()
            threading.Thread(target=self.carry, args=(caller, port), daemon=True).start()

    def carry(self, caller: socket.socket, port: int) -> None:
        stream = self.spare()
        if stream is None:
            caller.close()
            return
        try:
            stream.sendall(b"%d\n" % port)
        except OSError:
            caller.close()
            return
        threading.Thread(target=pump, args=(caller, stream), daemon=True).start()
        pump(stream, caller)

    def spare(self) -> socket.socket | None:
        """One whose other end is still there; None when none comes."""
        deadline = time.monotonic() + SPARE_S
        while time.monotonic() < deadline:
            try:
                stream = self.spares.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            readable, _, _ = select.select([stream], [], [], 0)
            if not readable:
                return stream
            stream.close()
        return None


def begin(pipe: Path) -> None:
    """A line for whoever reads there, as soon as somebody does."""
    deadline = time.monotonic() + BEGIN_S
    while True:
        try:
            writing = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > deadline:
                raise
            time.sleep(EVERY_S)
        else:
            os.write(writing, b"\n")
            os.close(writing)
            return


def listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(128)
    return listening


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    Relay(int(sys.argv[1]), Path(sys.argv[2])).run()
