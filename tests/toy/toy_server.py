"""A small agent server with a protocol of its own: talks, moods, entries, a feed of server-sent events. It knows nothing of tailproof.

`python toy_server.py --port N --store DIRECTORY [--forgets]`; the key is TOY_KEY.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

EDITION = "0.3.0"
MOODS = ("asleep", "thinking", "hushed", "happy", "sick")
KEY = os.environ.get("TOY_KEY", "")
MOST = 50
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("terminal", "finish")
]


class Talk:
    """One conversation. Its entries stand in a file, one line each, before anybody is told of them."""

    def __init__(self, place: Path, about: dict[str, Any]) -> None:
        self.about = about
        self.lock = threading.RLock()
        self.entries: list[dict[str, Any]] = []
        self.feeds: list[queue.Queue[dict[str, Any] | None]] = []
        self.mood = "asleep"
        self.hush = False
        self.file = place / f"{about['talk']}.jsonl"
        if self.file.exists():
            self._wake_up()
        else:
            self.file.write_text(json.dumps(about) + "\n")

    def _wake_up(self) -> None:
        """What was under way when the server died is broken, and is not done again."""
        self.entries = [json.loads(line) for line in self.file.read_text().splitlines()[1:]]
        moods = [entry["mood"] for entry in self.entries if entry["type"] == "felt"]
        self.mood = moods[-1] if moods else "asleep"
        if self.mood == "thinking":
            got = {entry["call"] for entry in self.entries if entry["type"] in ("got", "broke")}
            for entry in [entry for entry in self.entries if entry["type"] == "did" and entry["call"] not in got]:
                self.add("broke", call=entry["call"], text="the server died; do not do it again")
            self.feel("sick")

    def add(self, kind: str, **fields: Any) -> None:
        with self.lock:
            entry = {"id": f"{self.about['talk']}-{len(self.entries)}", "at": time.time(), **fields, "type": kind}
            with self.file.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            self.entries.append(entry)
            for feed in self.feeds:
                feed.put(entry)

    def feel(self, mood: str) -> None:
        with self.lock:
            self.mood = mood
            self.add("felt", mood=mood)

    def go(self) -> bool:
        with self.lock:
            if self.mood == "thinking":
                return False
            self.hush = False
            self.feel("thinking")
        threading.Thread(target=self._think, daemon=True).start()
        return True

    def _think(self) -> None:
        try:
            while True:
                with self.lock:
                    if self.hush:
                        self.feel("hushed")
                        return
                if self._step():
                    self.feel("happy")
                    return
        except (OSError, ValueError, KeyError) as error:
            self.add("broke", call="", text=f"{type(error).__name__}: {error}")
            self.feel("sick")

    def _step(self) -> bool:
        """Ask the model once and do what it wants; whether that was the end."""
        asked = {"model": "toy", "messages": self._messages(), "tools": TOOLS}
        request = urllib.request.Request(
            f"{self.about['brain']}/chat/completions",
            data=json.dumps(asked).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=900) as answer:
            message = json.load(answer)["choices"][0]["message"]
        calls = message.get("tool_calls") or []
        if message.get("content") or not calls:
            self.add("said", who="agent", text=message.get("content") or "")
        for call in calls:
            words = json.loads(call["function"]["arguments"])
            self.add("did", call=call["id"], tool=call["function"]["name"], text=json.dumps(words))
        over = not calls
        for call in calls:
            words = json.loads(call["function"]["arguments"])
            if call["function"]["name"] == "finish":
                over, text = True, "done"
            else:
                ran = subprocess.run(
                    ["bash", "-c", words["command"]],
                    cwd=self.about["room"],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                text = (ran.stdout + ran.stderr)[-2000:]
            self.add("got", call=call["id"], text=text)
        return over

    def _messages(self) -> list[dict[str, Any]]:
        """The entries as the model wants them: what was done at once, in one message, and its results behind it."""
        found: list[dict[str, Any]] = []
        for entry in self.entries:
            if entry["type"] == "said":
                found.append({"role": "user" if entry["who"] == "user" else "assistant", "content": entry["text"]})
            elif entry["type"] == "did":
                wanted = {"name": entry["tool"], "arguments": entry["text"]}
                if not found or "tool_calls" not in found[-1]:
                    found.append({"role": "assistant", "content": None, "tool_calls": []})
                found[-1]["tool_calls"].append({"id": entry["call"], "type": "function", "function": wanted})
            elif entry["type"] in ("got", "broke") and entry["call"]:
                found.append({"role": "tool", "tool_call_id": entry["call"], "content": entry["text"]})
        return found


class Handler(BaseHTTPRequestHandler):
    """`/up`, `/about`, `/talks`, `/talks/ID`, and below it `words`, `go`, `hush`, `log`, `size`, `feed`."""

    protocol_version = "HTTP/1.1"
    talks: dict[str, Talk]
    store: Path
    forgets = False

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def say(self, code: int, body: Any) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        self.answer("GET")

    def do_POST(self) -> None:
        self.answer("POST")

    def do_DELETE(self) -> None:
        self.answer("DELETE")

    def answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        match (method, *parts.path.strip("/").split("/")):
            case ("GET", "up"):
                self.say(200, "up")
            case ("GET", "about"):
                self.say(200, {"edition": EDITION, "moods": MOODS})
            case _ if KEY and self.headers.get("Toy-Key") != KEY:
                self.say(401, "who are you")
            case ("GET", "talks"):
                self.say(200, {"talks": list(self.talks)})
            case ("POST", "talks"):
                self.talks[body["talk"]] = Talk(self.store, body)
                self.say(201, body["talk"])
            case (_, "talks", name, *below) if name in self.talks:
                self.in_talk(method, self.talks[name], "/".join(below), asked, body)
            case _:
                self.say(404, "no such thing")

    def in_talk(self, method: str, talk: Talk, what: str, asked: dict[str, str], body: dict[str, Any]) -> None:
        match (method, what):
            case ("GET", ""):
                self.say(200, {"mood": talk.mood})
            case ("DELETE", ""):
                del self.talks[talk.about["talk"]]
                talk.file.unlink()
                for feed in talk.feeds:
                    feed.put(None)
                self.say(200, "gone")
            case ("POST", "words"):
                talk.add("said", who="user", text=body["text"])
                if body.get("go"):
                    talk.go()
                self.say(200, "heard")
            case ("POST", "go"):
                self.say(*((202, "thinking") if talk.go() else (409, "already")))
            case ("POST", "hush"):
                talk.hush = True
                self.say(202, "soon")
            case ("GET", "log"):
                after = int(asked.get("after", "0"))
                entries = talk.entries[::-1] if "newest" in asked else talk.entries
                page = entries[after : after + min(int(asked.get("many", MOST)), MOST)]
                more = after + len(page) if after + len(page) < len(talk.entries) else None
                self.say(200, {"entries": page, "more": more})
            case ("GET", "size"):
                self.say(200, {"size": len(talk.entries)})
            case ("GET", "feed"):
                self.feed(talk)
            case _:
                self.say(404, "no such thing")

    def feed(self, talk: Talk) -> None:
        """A greeting that says how things stand, and every entry from then on."""
        mine: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with talk.lock:
            talk.feeds.append(mine)
            mine.put({"id": f"greeting-{time.monotonic_ns()}", "mood": talk.mood, "type": "greeted"})
        try:
            while (entry := self._next(mine)) is not None:
                if self.forgets and entry.get("type") == "got":
                    continue
                text = f"data: {json.dumps({'happened': entry})}\n\n".encode() if entry else b": still here\n\n"
                self.wfile.write(b"%x\r\n%b\r\n" % (len(text), text))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
        finally:
            talk.feeds.remove(mine)

    @staticmethod
    def _next(mine: queue.Queue[dict[str, Any] | None]) -> dict[str, Any] | None:
        try:
            return mine.get(timeout=1)
        except queue.Empty:
            return {}


def main() -> None:
    """Serve for ever."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--forgets", action="store_true", help="its feeds leave out what was got")
    given = parser.parse_args()
    Handler.store, Handler.forgets = given.store, given.forgets
    found = [Talk(given.store, json.loads(file.read_text().splitlines()[0])) for file in given.store.glob("*.jsonl")]
    Handler.talks = {talk.about["talk"]: talk for talk in found}
    ThreadingHTTPServer(("127.0.0.1", given.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
