"""What the tests ask of the supervisor, and how: one JSON line there, one JSON line back, over a unix socket. And what it tells on
its standard output, one JSON line each."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import msgspec

from tailproof.incoming.json import decoder
from tailproof.trial.order import Order

QUEUED = "queued"
GAVE_UP = "gave up"
"""The phase (of no trial) in which the supervisor says why it runs no trial any more."""
NOT_ENDED = 3
"""The exit code of a supervisor that left a trial which did not come to its end."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One line on the supervisor's standard output: a trial was ordered (`queued`), entered a phase, or ended."""

    trial: str
    phase: str
    seconds: float
    detail: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A trial has ended, one way or another."""

    directory: str
    error: str = ""
    """Why the harness or the environment failed; empty when the history is whole."""
    seconds: float = 0.0


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A line to the supervisor: queue these orders; then, if `wait` is given, answer when that trial is done."""

    submit: list[Order] = []
    wait: str = ""


class SupervisorGone(Exception):
    """The supervisor does not answer any more."""


def ask(address: str, question: Ask) -> Done | None:
    """Put a question; blocks until the trial is done when `question.wait` is set. Raises SupervisorGone."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.connect(address)
            with line.makefile("rwb") as talk:
                talk.write(msgspec.json.encode(question) + b"\n")
                talk.flush()
                answer = talk.readline()
    except OSError as error:
        raise SupervisorGone(f"the supervisor of the trials is gone: {error}") from error
    if not answer:
        raise SupervisorGone("the supervisor of the trials ended while a trial was awaited")
    done: Done | None = decoder(Done | None).decode(answer)
    return done


def ended(address: str, orders: Sequence[Order]) -> Iterator[tuple[Order, Done]]:
    """Queue the orders, and give each in turn once its trial has ended. Raises SupervisorGone."""
    ask(address, Ask(submit=list(orders)))
    for order in orders:
        done = ask(address, Ask(wait=order.key))
        assert done is not None, "a question that waits is answered with the end of the trial"
        yield order, done
