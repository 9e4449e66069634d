"""What one server protocol has to say to the rest of the harness. No URL of a server stands outside an adapter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tailproof.history.record import Neutral
from tailproof.history.server_records import WholeEvent
from tailproof.incoming.limits import REQUEST_S, Flaw, Misshapen
from tailproof.incoming.stream import MessageStream
from tailproof.protocol.naming import Naming
from tailproof.waiting import Budget

RequestWord = Literal[
    "create", "send", "run", "resume", "pause", "interrupt", "delete", "init", "status", "load", "page", "subscribe"
]
"""What a client asks for. `load` reads events of a conversation in whatever way, `page` one page of its log."""
EventWord = Literal["terminal-status"]
"""What an event shows: `terminal-status` how a run ended."""


PARAMETERS: Mapping[str, float] = {
    "loop.terminates": 30.0,
    "loop.returns": 10.0,
    "loop.bounded.1s": 5.0,
    "loop.bounded.10s": 20.0,
    "loop.bounded.after": 10.0,
    "server.ready": 90.0,
    "status.agree": 5.0,
    "status.client": 1.0,
    "status.crash": 60.0,
    "status.dead": 15.0,
    "stream.resumed": 45.0,
}
"""T per guarantee, in seconds (attempts, for `loop.bounded.1s` and `.10s`), unless an adapter or a scenario says another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What one release promises, so that nothing else is judged."""

    parameters: Mapping[str, float]
    """T per guarantee, in seconds, where it is another one than in `PARAMETERS`."""
    facts: Mapping[str, bool | str | int]
    """`crash_policy` (error, interrupted, run-again), `ends_with_snapshot`, `deferred_init`, `confirmations`, `seeded_histories` (`seed`),
    `page_size`, ..."""
    sources: Mapping[str, str]
    """Guarantee -> where the promise was made: a specification, a pull request, a line of documentation."""
    vocabulary: tuple[str, ...]
    """The status words that this release knows, where the server publishes no list itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReads:
    """How a program reads the status of a run, for whoever looks for that in its source."""

    names: frozenset[str]
    """What only the status of a run is called."""
    of_conversations: re.Pattern[str]
    """Found in the routes whose answers hold it under a name that many things have (`status`, `state`), unless `elsewhere` is, too."""
    elsewhere: re.Pattern[str]
    other_words: frozenset[str]
    """What stands under such names and is no status of a run: a server that is `ready`."""


class NotAnEvent(Misshapen):
    """JSON, and no event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said to one request. `code` 0 means that it said nothing, and `error` why; with a `flaw`, `error` says what is
    wrong with what it said. `cut` requests were ended by the harness itself."""

    verb: str
    method: str
    path: str
    code: int
    began_ns: int
    ended_ns: int
    error: str = ""
    flaw: Flaw = ""
    cut: bool = False
    text: str = ""

    @property
    def ok(self) -> bool:
        """The request was accepted (2xx), and the answer is what it should be."""
        return 200 <= self.code < 300 and not self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the log. `cursor` is opaque; empty when there is no further page."""

    answer: Answer
    events: Sequence[WholeEvent] = ()
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody else's request asks for, as far as its request line tells."""

    verb: str = ""
    """As in `history.records.Request`: what changes something, and what reads a status or events of one conversation; empty for
    everything else."""
    conversation: str = ""
    words: tuple[str, ...] = ()
    """The status words that it asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How one server is started, wherever it runs: as a process or in a container."""

    arguments: Sequence[str]
    """What follows the interpreter: `-m a.server --host ... --port ...`."""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a server keeps what it writes, as paths inside its own file system."""

    root: str
    """Everything the server writes is below it and survives its restarts."""
    workspace: str
    """The working directory of the agent's tools."""
    conversations: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationPlan:
    """What a conversation is created with."""

    conversation: str
    """The id, a UUID with hyphens, chosen by us."""
    model_url: str
    """The base URL of the scripted model for this conversation, ending in `/v1`. The adapter chooses the dialect by the address that it
    gives its server: this one, below which are `/chat/completions` and `/responses`, as OpenAI's clients add them, and `/messages`.
    Anthropic's own clients add `/v1/messages`: they get `model_url.removesuffix("/v1")`."""
    workspace: str
    max_iterations: int = 100
    model_retries: int = 1
    exists: bool = False
    """The conversation is there already: attach to it, do not create it."""
    confirm: bool = False
    """The agent waits for a confirmation before each action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededHistory:
    """How long a history shall get: what a conversation holds afterwards, and how large each event of it is."""

    events: int
    least: int
    """Bytes of an event as it is stored, at least and at most; drawn from the seed."""
    most: int
    seed: int


class SeedingError(Exception):
    """A conversation cannot be seeded with a history; the message says why."""


class Api(Protocol):
    """The verbs of one running server, over one base URL (direct, or through the wire). Never raises for an answer of the
    server; a server that says nothing gives an `Answer` with code 0. Every request ends in time: with its own deadline, and with the
    budget that the verb was called with or, without one, that the API was made with.

    A subclass gets what has no meaning in its protocol: a server that publishes no vocabulary, does not count, is never dormant."""

    def ready(self, budget: Budget | None = None) -> Answer:
        """Ask whether the server takes requests."""

    def version(self) -> tuple[Answer, str]:
        """The release that the server says it is; empty when it does not say."""

    def vocabulary(self) -> tuple[Answer, tuple[str, ...], str]:
        """The status words that the server publishes, and where; empty when it publishes none."""
        return self.version()[0], (), ""

    def conversations(self) -> tuple[Answer, tuple[str, ...]]:
        """The ids of the conversations that the server shows, the newest first, at least 100 of them if there are so many."""

    def create(self, plan: ConversationPlan) -> Answer:
        """Create a conversation without running it."""

    def send(self, conversation: str, text: str, *, run: bool) -> Answer:
        """Post a user message, and start a run with it when asked to."""

    def run(self, conversation: str) -> Answer:
        """Start a run."""

    def pause(self, conversation: str) -> Answer:
        """Pause the run between two steps."""

    def delete(self, conversation: str) -> Answer:
        """Delete the conversation."""

    def status(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, str]:
        """Read the status without loading the conversation: the answer and the raw word (empty when there is none)."""

    def page(
        self,
        conversation: str,
        *,
        cursor: str = "",
        size: int = 100,
        ascending: bool = True,
        budget: Budget | None = None,
    ) -> Page:
        """Read one page of the log. May load the conversation: a `load`, never a `status`."""

    def count(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, int]:
        """The server's own count of events; -1 when it does not say."""
        return self.status(conversation, budget)[0], -1

    def init(self, *, key: str) -> Answer:
        """Initialise a dormant server, giving it the session key that it shall ask for from then on."""
        raise LookupError("no server of this protocol is dormant")

    def probes(self, conversation: str) -> Sequence[tuple[str, str]]:
        """API routes (method, path) that a dormant server must refuse."""
        return ()

    def probe(self, method: str, path: str) -> Answer:
        """Try one route for its code."""
        raise LookupError("no server of this protocol is dormant")

    def stream(self, conversation: str) -> MessageStream:
        """A subscription to the events of a conversation, not yet opened. Whatever stands for a subscriber's key is in it: nobody else
        gets to know that."""

    def close(self) -> None:
        """End what is under way, in any thread: it is `cut`."""


class Adapter(Protocol):
    """One protocol. Adapters are values without state; `Api` objects hold connections. What has a value or a body here is that of a
    subclass that says nothing else."""

    name: str
    model: str
    """What the scripted model is called by servers of this protocol."""
    model_key: str
    """The key with which they ask it; it looks at none."""
    status_reads: StatusReads
    naming: Naming | None = None
    """Where a message of a stream has its id and its name, for the wire; None for a message that has `id` and one of `kind`, `type`
    and `event` at its top. Without ids nobody can tell which events a fault withheld."""
    client_environment: Mapping[str, str] = {}
    """What a program that is the client is given: it keeps the libraries of this protocol from asking elsewhere and from printing."""
    tool_patience_s: int = 900
    """After how many silent seconds a tool may give up on a command; longer than a gate is held."""

    def own_client(self, target: str, release: str) -> str:
        """The client that belongs to a target (its spec) of this release, which is empty when it cannot be told."""
        return "plain"

    def promises(self, version: str) -> Promises:
        """What the release promises. An unknown (`""`) version gets those of the newest release."""

    def api(
        self,
        base_url: str,
        *,
        key: str,
        version: str,
        budget: Budget | None = None,
        timeout: float = REQUEST_S,
        secret: str = "",
    ) -> Api:
        """The verbs over one base URL. No request outlasts `budget`, nor takes longer than `timeout` seconds as a whole; `secret` is
        what a dormant server is initialised with."""

    def launch(
        self, *, version: str, port: int, host: str, key: str, secret: str, places: Places, extra: Mapping[str, str]
    ) -> Launch:
        """Arguments and environment of a server. `extra` (from the scenario) wins over the adapter's own variables."""

    def dormant_environment(self) -> Mapping[str, str]:
        """What makes a server start dormant, for `extra` of `launch`; empty when the protocol has no such thing."""
        return {}

    def asked(self, method: str, target: str) -> Asked:
        """What a request with this method and target (path and query) asks for."""

    def route(self, request: RequestWord) -> tuple[str, str]:
        """Method and glob on the path of these requests. Raises KeyError: the protocol has none."""

    def event(self, event: EventWord) -> Mapping[str, Any]:
        """How these events are known in a stream: the `name` of the event and each `field` (dotted path -> values) that its message
        must have. Raises KeyError: the protocol has none."""

    def decode(self, raw: bytes | bytearray) -> WholeEvent:
        """One event from a frame, an item of a page or a file, in neutral words: all of it but where it was seen (`reading`,
        `conversation`, `epoch`) and its `digest`. One event has one body, whoever brought it. Raises NotAnEvent, and Unsound for
        what is more than is taken or no JSON at all."""

    def neutral(self, raw_status: str) -> Neutral:
        """A raw status in neutral words."""

    def disk(self, conversations: Path) -> Iterator[tuple[str, str, Iterator[WholeEvent], Sequence[str]]]:
        """Per conversation below `conversations` on this host: id, raw status, events in log order, unreadable files. Events are
        read as they are asked for, a log may be larger than memory; the last list is complete when the events are through."""

    def seed(self, conversations: Path, conversation: str, history: SeededHistory) -> None:
        """Let the log of a finished conversation hold so many events, on the disk of a stopped server, by cloning what that
        release has written there itself. A run on top of it must not send all of it to the model. Raises SeedingError."""
        raise SeedingError(f"no conversation of the protocol {self.name} can be seeded")
