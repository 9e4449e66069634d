"""What one server protocol has to say to the rest of the harness. No URL of a server stands outside an adapter."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tailproof.history.record import Neutral
from tailproof.history.server_records import WholeEvent
from tailproof.incoming.limits import REQUEST_S, Flaw, Misshapen
from tailproof.incoming.stream import MessageStream
from tailproof.protocol.access import Access
from tailproof.protocol.conversation import ChildKind, ConversationPlan
from tailproof.protocol.naming import Naming
from tailproof.protocol.rarer import RarerVerbs
from tailproof.protocol.stored import Stored
from tailproof.protocol.webhooks import Webhooks
from tailproof.waiting import Budget

RequestWord = Literal[
    "create",
    "send",
    "run",
    "resume",
    "pause",
    "interrupt",
    "delete",
    "fork",
    "init",
    "status",
    "load",
    "page",
    "subscribe",
]
"""What a client asks for, as a fault says it. `load` is every request that reads events of a conversation, `page` one that reads a page
of its log, `subscribe` one that opens a stream. A protocol may lack some of them."""
EventWord = Literal["terminal-status"]
"""Which event a fault means: `terminal-status` says how a run ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What one release promises, so that nothing else is judged."""

    parameters: Mapping[str, float]
    """T per guarantee, in seconds, where it is another one than in `history.parameters`."""
    facts: Mapping[str, bool | str | int]
    """What is read, each with what a missing one means. Others are only written into the header of a history.

    - `crash_policy`: after a crash a run is shown as failed or has an error event (`error`), is shown as interrupted (`interrupted`), or
      goes on by itself (`run-again`). Missing: no mark is owed.
    - `can`: the verbs of `rarer.RarerVerbs` that it has but for subscriptions (`interrupt confirm fork list`), and `replays`, the ways of
      `since.Since` in which one can begin in the past (`all time cursor`); both parted by blanks. Missing: none.
    - `filters`: by what a part of a log can be asked for, the fields of `part.Part`, parted by blanks. Missing: by nothing.
    - `deferred_init`, `confirmations`, `seeded_histories` (`seed`), `stored_files` (`stored`): the protocol has it.
      Missing: it has not, and scenarios with it are not run.
    - `page_size`: the most events of a page. Missing: 100.
    - `fatal_closes`: close codes of a stream after which a client must not subscribe again, parted by blanks. Missing: none.
    - `reads_wait_for_steps`: reading events hangs until the step under way has ended. `first_step_alone`: reading a status during the
      first step can break the run. Missing: neither."""
    sources: Mapping[str, str]
    """Guarantee -> where the promise was made: a specification, a pull request, a line of documentation."""
    vocabulary: tuple[str, ...]
    """The status words that this release knows, as the server says them; used where it publishes no list itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReads:
    """How a program reads the status of a run, for whoever looks for that in its source: `script:` clients alone."""

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
    wrong with what it said. `cut` requests were ended by the harness itself, `unanswered` ones were sent whole and waited for in vain;
    `date` is the server's own clock, as HTTP writes it."""

    verb: str
    method: str
    path: str
    code: int
    began_ns: int
    ended_ns: int
    error: str = ""
    flaw: Flaw = ""
    cut: bool = False
    unanswered: bool = False
    date: str = ""
    text: str = ""

    @property
    def ok(self) -> bool:
        """The request was accepted (2xx), and the answer is what it should be. A protocol with codes of its own gives those of HTTP:
        409 for a run beside one that is under way, 404 for what is deleted."""
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
    """What follows the interpreter: first the server, as `-m MODULE` or as the path of a script, then what it gets. A target may put
    another server in the place of the first."""
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
class SeededHistory:
    """How long a history shall get: what a conversation holds afterwards, and how large each event of it is."""

    events: int
    least: int
    """Bytes of an event as it is stored, at least and at most; drawn from the seed."""
    most: int
    seed: int


class SeedingError(Exception):
    """A conversation cannot be seeded with a history; the message says why."""


class Api(RarerVerbs, Protocol):
    """The verbs of one running server, over one base URL (direct, or through the wire). Never raises for an answer of the
    server; a server that says nothing gives an `Answer` with code 0. Every request ends in time: with its own deadline, and with the
    budget that the verb was called with or, without one, that the API was made with.

    A subclass gets what has no meaning in its protocol: a server that publishes no vocabulary, does not count, is never dormant."""

    @abstractmethod
    def ready(self, budget: Budget | None = None) -> Answer:
        """Ask whether the server takes requests."""

    @abstractmethod
    def version(self) -> tuple[Answer, str]:
        """The release that the server says it is; empty when it does not say."""

    def vocabulary(self) -> tuple[Answer, tuple[str, ...], str]:
        """The status words that the server publishes, and where; empty when it publishes none."""
        return self.version()[0], (), ""

    @abstractmethod
    def conversations(self) -> tuple[Answer, tuple[str, ...]]:
        """The ids of the conversations that the server shows, the newest first, at least 100 of them if there are so many."""

    @abstractmethod
    def create(self, plan: ConversationPlan) -> Answer:
        """Create a conversation without running it."""

    @abstractmethod
    def send(self, conversation: str, text: str, *, run: bool) -> Answer:
        """Post a user message, and start a run with it when asked to. Where these are two requests, the answer is that to the post."""

    @abstractmethod
    def run(self, conversation: str) -> Answer:
        """Start a run. Returns when it is accepted, not when it has ended; 409 when one is under way."""

    @abstractmethod
    def pause(self, conversation: str) -> Answer:
        """Pause the run between two steps."""

    @abstractmethod
    def delete(self, conversation: str) -> Answer:
        """Delete the conversation."""

    @abstractmethod
    def status(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, str]:
        """Read the status without loading the conversation: the answer and the raw word (empty when there is none)."""

    @abstractmethod
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

    @abstractmethod
    def stream(self, conversation: str) -> MessageStream:
        """A subscription to the events of a conversation, not yet opened. The server must begin it with an event: the subscription
        counts as accepted when `decode` has taken one. Whatever stands for a subscriber's key is in it: nobody else gets to know that."""

    def access(self) -> Access | None:
        """Keys and secrets of this server; None where nobody tries them."""
        return None

    @abstractmethod
    def close(self) -> None:
        """End what is under way, in any thread: it is `cut`."""


class Launcher(Protocol):
    """What a target has to know of the protocol that its server speaks: how the server is started and what it promises."""

    name: str

    def own_client(self, target: str, release: str) -> str:
        """The client that belongs to a target (its spec) of this release, which is empty when it cannot be told."""
        return "plain"

    @abstractmethod
    def promises(self, version: str) -> Promises:
        """What the release promises. An unknown (`""`) version gets those of the newest release."""

    @abstractmethod
    def launch(
        self, *, version: str, port: int, host: str, key: str, secret: str, places: Places, extra: Mapping[str, str]
    ) -> Launch:
        """Arguments and environment of a server. `extra` (from the scenario) wins over the adapter's own variables."""


class Adapter(Launcher, Protocol):
    """One protocol. Adapters are values without state; `Api` objects hold connections. What has a value or a body here is that of a
    subclass that says nothing else."""

    model: str
    """What the scripted model is called by servers of this protocol: what a `script:` client is told."""
    model_key: str
    """The key with which they ask it, told likewise; it looks at none."""
    status_reads: StatusReads
    """For `script:` clients alone."""
    naming: Naming | None = None
    """Where a message of a stream has its id and its name, for the wire; None for a message that has `id` and one of `kind`, `type`
    and `event` at its top. Without ids nobody can tell which events a fault withheld."""
    webhooks: Webhooks | None = None
    """None for a protocol that has none: scenarios with a receiver of them are not run."""
    client_environment: Mapping[str, str] = {}
    """What a program that is the client is given: it keeps the libraries of this protocol from asking elsewhere and from printing."""
    tool_patience_s: int = 900
    """After how many silent seconds a tool may give up on a command; longer than a gate is held."""

    @abstractmethod
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

    def child_tool(self, task: str, kind: ChildKind) -> tuple[str, Mapping[str, Any]]:
        """The tool with which an agent starts a child of this kind, and the arguments that give it `task`; only where `promises` has the
        ability `can-start-KIND`."""
        raise LookupError(f"no agent of the protocol {self.name} starts a {kind}")

    def risk(self, risk: Literal["low", "high"]) -> Mapping[str, Any]:
        """What a model adds to the arguments of a tool call to say how risky it is; only with the ability `take-risks`."""
        raise LookupError(f"no model says to an agent of the protocol {self.name} how risky a call is")

    def dormant_environment(self) -> Mapping[str, str]:
        """What makes a server start dormant, for `extra` of `launch`; empty when the protocol has no such thing."""
        return {}

    @abstractmethod
    def asked(self, method: str, target: str) -> Asked:
        """What a request with this method and target (path and query) asks for: the journal of the wire is read with it. Verb and
        conversation are read from the request line alone; what cannot be told from it is an empty `Asked`."""

    @abstractmethod
    def route(self, request: RequestWord) -> tuple[str, str]:
        """Method and glob on the path of these requests, as the wire looks for them. A `*` stands for slashes, too: for the path of one
        thread, and not for `/threads/*/notes`, write `/threads/*[0-9a-f]`: ids end with a hexadecimal digit. Raises KeyError: the protocol
        has none, and a scenario that needs it is not run."""

    @abstractmethod
    def event(self, event: EventWord) -> Mapping[str, Any]:
        """How the wire knows these events in a stream: by `name`, by `field`, or by both. `name` is what `naming` finds (without one,
        `kind`, `type` or `event` at the top of the message). `field` maps dotted paths from the top of the message to the values of
        which one must be there. Raises KeyError: the protocol has none."""

    @abstractmethod
    def decode(self, raw: bytes | bytearray) -> WholeEvent:
        """One event from a message of a stream, or from one that a client reports, in neutral words: all of it but where it was seen
        (`reading`, `conversation`, `epoch`) and its `digest`. `page` and `disk` make the same event of their items: one event has one
        body, whoever brought it. Raises NotAnEvent, and Unsound for what is more than is taken or no JSON at all; every other exception
        ends the subscription as the harness's own failure."""

    @abstractmethod
    def neutral(self, raw_status: str) -> Neutral:
        """A raw status in neutral words (`history.record.Neutral`): `none` for an empty one, `unknown` for a word that no release uses."""

    @abstractmethod
    def disk(self, conversations: Path) -> Iterator[tuple[str, str, Iterator[WholeEvent], Sequence[str]]]:
        """Per conversation below `conversations` on this host: id, raw status, events in log order, unreadable files. Events are
        read as they are asked for, a log may be larger than memory; the last list is complete when the events are through."""

    def stored(self, conversations: Path, conversation: str) -> Stored:
        """The files of one conversation below `conversations`; only where `promises` has the fact `stored_files`."""
        raise LookupError(f"an event of the protocol {self.name} has no file of its own")

    def seed(self, conversations: Path, conversation: str, history: SeededHistory) -> None:
        """Let the log of a finished conversation hold so many events, on the disk of a stopped server, by cloning what that
        release has written there itself. A run on top of it must not send all of it to the model. Raises SeedingError."""
        raise SeedingError(f"no conversation of the protocol {self.name} can be seeded")
