"""`python -m tailproof.wire`: the wire as its own process. Exit 0 when told to end, 2 when it cannot listen, 64 for bad input."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tailproof.history.records import Note
from tailproof.incoming.files import BadFile
from tailproof.incoming.route import Route, Unreachable
from tailproof.outgoing.say import SENTENCE_CHARS, say
from tailproof.protocol.naming import Naming
from tailproof.wire.control import Control
from tailproof.wire.journal import Journal
from tailproof.wire.proxy import Address, CannotListen, Proxy
from tailproof.wire.relay import Relay
from tailproof.wire.rules import Rule, load_rules

EXIT_CANNOT = 2
EXIT_USAGE = 64


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        sys.exit(_sorry(message, EXIT_USAGE))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the wire until it is told to end; returns the exit code."""
    parser = _Arguments(prog="tailproof wire", description="An event-aware proxy for HTTP and WebSocket.")
    parser.add_argument(
        "--upstream",
        required=True,
        metavar="HOST:PORT",
        type=_upstream,
        help="or URL: over TLS and the proxy of the environment where it says so, and named as the host of each request",
    )
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", type=_address, help="port 0 lets it choose")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="a YAML or JSON list of rules")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="where the JSON lines of the witness `wire` go")
    parser.add_argument(
        "--id", metavar="PATH", default="", help="where a message has its id, as params.entry.id [default: id]"
    )
    parser.add_argument(
        "--name", metavar="PATH", default="", help="where it has its name [default: kind, type or event]"
    )
    parser.add_argument("--control", action="store_true", help="take commands on stdin and end with it")
    asked = parser.parse_args(arguments)
    if bool(asked.id) != bool(asked.name):
        parser.error("--id and --name are given together")
    try:
        rules = load_rules(asked.rules) if asked.rules else []
    except BadFile as error:
        return _sorry(str(error), EXIT_USAGE)
    # Measured against asyncio's own loop: a tenth less CPU, two thirds of the added latency, 3 MB more.
    loop = uvloop.new_event_loop()
    try:
        return _run(loop, asked, rules)
    finally:
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, asked: argparse.Namespace, rules: Sequence[Rule]) -> int:
    control = Control(loop, loop.stop)
    try:
        journal = Journal(asked.journal, loop)
    except OSError as error:
        return _sorry(f"the journal {asked.journal} cannot be written: {error.strerror}", EXIT_CANNOT)
    try:
        upstream, host = _reached(loop, journal, asked.upstream)
        fired = control.fired if asked.control else lambda armed: None
        naming = Naming(asked.id, asked.name) if asked.id else None
        proxy = Proxy(loop, upstream, journal, host=host, naming=naming, fired=fired)
        for rule in rules:
            proxy.add(rule)
        address = proxy.listen(asked.listen)
    except (CannotListen, Unreachable) as error:
        journal.close()
        return _sorry(str(error), EXIT_CANNOT)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, loop.stop)
    # From inside the loop: before it turns, uvloop would lose a signal that answers this line.
    loop.call_soon(_announce, asked, address, control, proxy)
    if asked.control:
        loop.set_exception_handler(control.defect)
    # What is there now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    try:
        loop.run_forever()
    finally:
        proxy.close()
        if asked.control:
            control.say({"failed": journal.failed} if journal.failed else {"ended": journal.records})
    return 0


def _reached(loop: asyncio.AbstractEventLoop, journal: Journal, upstream: Address | str) -> tuple[Address, str]:
    """Where the wire connects to, and what requests shall name as their host. Raises Unreachable."""
    if isinstance(upstream, Address):
        return upstream, ""
    route = Route.of(upstream)
    if route.direct:
        return Address(route.host, route.port), route.at
    relay = Relay(upstream, lambda sentence: journal.write(Note(text=sentence)))
    return Address.parse(loop.run_until_complete(relay.listen())), route.at


def _announce(asked: argparse.Namespace, address: Address, control: Control, proxy: Proxy) -> None:
    if asked.control:
        control.say({"listening": str(address)})
        control.serve(proxy)
    else:
        to = asked.upstream if isinstance(asked.upstream, Address) else Route.of(asked.upstream).at
        say(f"the wire listens on {address} and passes on to {to}")


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _upstream(text: str) -> Address | str:
    return text if "://" in text else _address(text)


def _sorry(sentence: str, code: int) -> int:
    say(f"tailproof wire: {sentence}", err=True, line_chars=SENTENCE_CHARS)
    return code


if __name__ == "__main__":
    sys.exit(main())
