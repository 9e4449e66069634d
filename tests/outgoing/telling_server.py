"""The reference server, and it tells its session key to everybody who asks: in every form, in a place of one's choice.

TELLS=PLACE python telling_server.py --port PORT
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))  # `fixtures` is not installed under this name

from secret_forms import FORMS

from fixtures.reference.api import Api
from fixtures.reference.conversation import Conversation
from fixtures.reference.house import Parts
from fixtures.reference.http import Refused, Reply, Request
from fixtures.reference.log import EventLog
from fixtures.reference.server import run
from fixtures.reference.settings import Settings

SETTINGS = Settings.of(os.environ)
KEY = SETTINGS.keys[0]
TOLD = [form(KEY) for form in FORMS.values()]
TEXT = " | ".join(TOLD)


class TellsInEvents(Conversation):
    """In small events, in events that are kept aside, at the edge of their heads, in frames that are no events, and as the status."""

    def _finish(self, event: dict[str, Any], *, in_tree: bool = True) -> dict[str, Any]:
        whole = super()._finish(event, in_tree=in_tree)
        if whole.get("key") == "execution_status":
            # The key crosses the end of what is kept in the line of a large event, wherever the fields before it end.
            return {**whole, "told": f"{'.' * (900 - len(whole['id']))}{KEY * 12}{'.' * 6000}"}
        return {**whole, "told": TOLD, TEXT: 1}

    def publish(self, event: dict[str, Any]) -> None:
        super().publish(event)
        for subscriber in list(self.subscribers):
            subscriber.offer(f"{'.' * 170}{TEXT}".encode())

    def state(self) -> dict[str, Any]:
        told = {"running": KEY, "idle": FORMS["base64"](KEY)}.get(self.status, self.status)
        return {**super().state(), "execution_status": told, "title": TEXT}


class TellsInIds(EventLog):
    """As the ids of events, which are cursors, too."""

    def append(self, event: dict[str, Any]) -> None:
        event["id"] = f"{KEY.encode().hex()}-{len(self.events)}"
        super().append(event)


class TellsAsVersion(Api):
    """As its version and title, in headings of its API and in every field that it is not asked for."""

    async def answer(self, request: Request) -> Reply:
        reply = await super().answer(request)
        match reply.body:
            case {"version": _} as info:
                reply.body.update({**info, "version": KEY, "sdk_version": FORMS["base64"](KEY), "title": TEXT})
            case {"info": dict(info)}:
                info["version"] = info["title"] = TEXT
            case {"items": _}:
                reply.body[TEXT] = TEXT
        return reply


class TellsInErrors(Api):
    """Over the edge of what is kept of an answer."""

    asked = 0

    async def answer(self, request: Request) -> Reply:
        reply = await super().answer(request)
        if request.method == "GET" and "/events/" in request.path:
            self.asked += 1
            raise Refused(500, f"{'.' * (160 + self.asked % 30)}{TOLD[self.asked % len(TOLD)]} {TEXT}")
        return reply


class RefusesTelling(Api):
    """Over the edge of what is kept of the refusal that ends a trial."""

    async def create(self, request: Request) -> Reply:
        raise Refused(500, f"{'.' * 170}{KEY} {TEXT}")


PLACES: dict[str, Parts] = {
    "what it says": Parts(conversation=TellsInEvents, api=TellsAsVersion),
    "ids": Parts(log=TellsInIds),
    "errors": Parts(api=TellsInErrors),
    "refusal": Parts(api=RefusesTelling),
}


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    asyncio.run(run(SETTINGS, PLACES[os.environ["TELLS"]], host=given.host, port=given.port))


if __name__ == "__main__":
    main()
