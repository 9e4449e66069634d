"""Another user subscribes and says something on the stream: a message, or what no protocol knows."""

from __future__ import annotations

import threading
import time
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tailproof.acts.user import Options, wait_active
from tailproof.faults.fault import Proof, Stage
from tailproof.history.extent import extent_of
from tailproof.history.record import RESTING
from tailproof.history.server_records import Request, Said, Stream
from tailproof.incoming.limits import Unsound
from tailproof.incoming.stream import BROKEN, Refused, SpokenStream
from tailproof.protocol.adapter import NotAnEvent
from tailproof.protocol.frames import GARBAGE, FrameWord, ToSay
from tailproof.waiting import Cancelled, DeadlineMissed

AT_ONCE_S = 2.0
"""How long the loop is kept held for it: a server may hear a message only when the step under way has ended."""
OPENED_S = 30.0
SENT_S = 20.0
QUIET_S = 2.0
"""How long an answer to what is no message is waited for. There need be none."""
PUBLISHED_S = 30.0
"""How long a message is waited for that was said."""
PROOF_S = 60.0
PUBLISHED = 200


class SayOptions(Options):
    """`with:` of `user.say`."""

    frames: Annotated[list[FrameWord], Field(min_length=1)]
    """Each is sent by a subscriber of its own, all of them at once."""
    text: str = ""
    """Of `message`: what is said. It asks for a run."""

    @model_validator(mode="after")
    def _message_says_something(self) -> SayOptions:
        if ("message" in self.frames) is not bool(self.text):
            raise ValueError("`text` belongs to the frame `message`, and it needs it")
        return self


class UserSay:
    """Other users subscribe, and each sends a frame. Proven by what the server does with each: an event that comes back, a close with
    a code, or an answer to the ping that is sent behind it."""

    name = "user.say"
    scope = "conversation"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = SayOptions.model_validate(options)
        self._done: list[Said] = []
        self._streams: list[SpokenStream] = []

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "can-speak" in capabilities else "nobody can say anything on a stream of this server"

    def describe(self) -> str:
        frames = ", ".join(self.options.frames)
        return f"others subscribe and send frames: {frames}" + (f" {self.options.text!r}" if self.options.text else "")

    def inject(self, stage: Stage) -> None:
        since_ns = time.monotonic_ns()
        resting = bool(seen := stage.observer.statuses()) and seen[-1].neutral in RESTING
        for word in self.options.frames:
            threading.Thread(target=self._one, args=(stage, word), name=f"user-{self.id}-{word}", daemon=True).start()
        self._wait_done(stage, AT_ONCE_S)
        if resting and self.options.text:
            wait_active(stage, since_ns)

    def verify(self, stage: Stage) -> Proof:
        self._wait_done(stage, PROOF_S)
        counters = {said.frame: _came_of(said) for said in sorted(self._done, key=lambda said: said.frame)}
        proven = [said for said in self._done if said.back or (said.frame != "message" and (said.code or said.read))]
        return Proof(len(proven) == len(self.options.frames), {**counters, "of": len(self.options.frames)})

    def heal(self, stage: Stage) -> None:
        """Whoever is still there goes away."""
        for stream in self._streams:
            stream.interrupt()

    def _wait_done(self, stage: Stage, seconds: float) -> None:
        try:
            stage.budget.wait_for(
                "what comes of the frames",
                lambda: len(self._done) == len(self.options.frames),
                within=seconds,
                saw=lambda: f"{len(self._done)} of {len(self.options.frames)}",
            )
        except DeadlineMissed:
            return  # `verify` waits longer, and counts

    def _one(self, stage: Stage, word: FrameWord) -> None:
        reading = f"stream:{self.id}-{word}"
        said = Said(reading=reading, frame=word, conversation=stage.conversation, epoch=stage.server.epoch)
        stream = stage.company.api().speaker(stage.conversation)
        self._streams.append(stream)
        code, reason = 0, ""
        _tell(stage, reading, "opened")
        try:
            stream.open(stage.budget.part(OPENED_S))
            if stream.receive() is not None:
                _tell(stage, reading, "subscribed")
                ended = self._say(stage, stream, said)
                code, reason = stream.close(goodbye_s=0.2)
                said.code = code if ended else 0
        except (Refused, Unsound, OSError, DeadlineMissed, Cancelled) as error:
            reason = f"{type(error).__name__}: {error}"
        _tell(stage, reading, "closed", code, reason)
        stage.company.tell(said)
        self._done.append(said)

    def _say(self, stage: Stage, stream: SpokenStream, said: Said) -> bool:
        """Send the frame and a ping, and wait for what comes of it; whether the server has ended the stream. Raises as the stream
        does, but for a connection that breaks over the frame."""
        frame = self._frame(stage, said)
        said.size, said.began_ns = len(frame.data), time.monotonic_ns()
        quiet = threading.Timer(PUBLISHED_S if said.frame == "message" else QUIET_S, stream.end)
        try:
            stream.say(frame.how, frame.data, stage.budget.part(SENT_S))
            stream.say("ping", said.frame.encode(), stage.budget.part(SENT_S))
        except OSError:
            pass  # it does not want to hear the rest: how it has ended the stream is read all the same
        quiet.start()
        try:
            while not said.back and (raw := stream.receive()) is not None:
                said.back = self._answer(stage, raw, said)
        finally:
            over = not quiet.is_alive()
            quiet.cancel()
        # A ping of ours is all that `ping` is; of the others the one behind them.
        said.read = stream.pongs >= (2 if frame.how == "ping" else 1)
        if said.frame == "message" and said.back:
            stage.company.tell(_published(said))
        return not said.back and not over

    def _frame(self, stage: Stage, said: Said) -> ToSay:
        said.text = self.options.text if said.frame == "message" else f"said-by-{self.id}-as-{said.frame}"
        match said.frame:
            case "message" | "auth" as word:
                return ToSay(how="text", data=stage.company.api().meant(word, said.text))
            case "ping":
                return ToSay(how="ping", data=said.text.encode())
            case word:
                return GARBAGE[word](said.text)  # type: ignore[index]

    def _answer(self, stage: Stage, raw: bytes | bytearray, said: Said) -> str:
        """The name of the event when it is what comes of the frame: the message itself, or an error for its sender alone."""
        try:
            event = stage.adapter.decode(raw)
        except (NotAnEvent, Unsound):
            return ""
        published = said.frame == "message" and event.role == "message" and said.text in event.text
        refused = said.frame != "message" and event.role == "error" and not event.durable
        return event.name if published or refused else ""


def _came_of(said: Said) -> str:
    if said.back or said.code:
        return said.back or ("cut off" if said.code == BROKEN else f"closed with {said.code}")
    return "read" if said.read else "nothing"


def _published(said: Said) -> Request:
    """As a message that was posted: what was promised for those holds for it, too."""
    request = Request(verb="send", method="SAY", path=said.reading, code=PUBLISHED, text=said.text)
    request.extent = extent_of(said.text)
    request.began_ns, request.conversation, request.epoch = said.began_ns, said.conversation, said.epoch
    return request


def _tell(
    stage: Stage,
    reading: str,
    what: Literal["opened", "subscribed", "closed"],
    code: int = 0,
    reason: str = "",
) -> None:
    stage.company.tell(
        Stream(
            reading=reading,
            stage=what,
            conversation=stage.conversation,
            path="unread",
            code=code,
            reason=reason,
            epoch=stage.server.epoch,
        )
    )
