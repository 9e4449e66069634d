"""Records of what a server was asked and what it said: requests, events, streams, readings, statuses."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from tailproof.history.extent import Extent
from tailproof.history.record import Count, Moment, Neutral, Record, Role
from tailproof.incoming.limits import Flaw


class Request(Record, tag="request"):
    """The harness or the client under test asked the server for something, and what it got.

    Every read of a witness stands here too, because reads act: a page of events may load a conversation from disk.
    `t_ns` is the moment of the answer and `began_ns` that of the question.
    """

    verb: Literal[
        "create", "send", "run", "pause", "interrupt", "resume", "reject", "delete", "fork", "init", "status", "load",
        "probe", "ready",
    ]  # fmt: skip
    """`status` reads a status without loading; `load` reads events and may load; `probe` is a route tried for its code."""
    method: str = ""
    path: str = ""
    code: Count = 0
    """The HTTP status; 0 when there was none. A message that was said on a stream has none: 200 once the server has published it."""
    error: str = ""
    """Why there was none (refused, reset, timeout, ...), or what is wrong with the one that came."""
    flaw: Flaw = ""
    """What kind of wrong that is; empty when the answer was whole, or when none came."""
    cut: bool = False
    """The harness ended it, for want of time or because it was told to: that says nothing of the server."""
    began_ns: Moment = 0
    conversation: str = ""
    epoch: Count = 0
    text: str = ""
    """The first 200 characters of a message that was sent, or of an unexpected answer."""
    extent: Extent | None = None
    """Of a long message that was sent."""
    rule: str = ""
    """The rule of the wire that touched it, for a request that was read from the wire: its answer is no word of the server's."""


class Event(Record, kw_only=True, tag="event"):
    """One event of the server, as one witness saw it on one occasion.

    An adapter decodes it, the recorder writes it and the guarantees read it in this shape. A history that is read back holds no
    bodies. `reading` names the list it is in (see `Reading` and `Stream`): the order of the records of one reading is the
    order in which the witness saw them.
    """

    reading: str = ""
    """`stream:1`, `page:3`, `part:4`, `disk:0`, `callback:0`, `held:0`: unique within the witness."""
    id: str
    name: str
    """The protocol's own word for the kind."""
    conversation: str = ""
    run: str = ""
    """The run (of an executor: the execution) that it is of, where a protocol names it."""
    role: Role = "other"
    durable: bool = True
    """False for what the server never persists: snapshots, deltas, transient errors."""
    call: str = ""
    """Pairs an action with what closes it (often the id of a tool call)."""
    status: str = ""
    """The raw status that a `status` or `snapshot` event carries."""
    ts: str = ""
    """The event's own time stamp, as written by the server. It never orders witnesses."""
    source: str = ""
    text: str = ""
    """The first 200 characters of what a person would read."""
    extent: Extent | None = None
    """Of a long message, the extent of what a person would read."""
    digest: str = ""
    """Hash of the canonical JSON body; equal digests mean equal events."""
    size: Count = 0
    """Bytes of the event as it was received."""
    epoch: Count = 0
    """The life of the server in which it was seen."""


def moment(stamp: str) -> datetime | None:
    """A time stamp of the server's; None for what is no time."""
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None


class WholeEvent(Event, kw_only=True, tag="event"):
    """An event with its body, as it is decoded and written down."""

    body: Any = None
    """The event itself. A history keeps each body once, with the first event of its `digest`: a small one in its line, a large one
    in the store under that name. Guarantees do not read it."""


class Stream(Record, tag="stream"):
    """A subscription: opened, accepted, or closed; or something came on it that is not to be taken."""

    reading: str
    stage: Literal["opened", "subscribed", "flawed", "closed"]
    conversation: str = ""
    run: str = ""
    """The run that alone it is about, and with which it ends; empty for a subscription to the conversation."""
    path: str = ""
    """`direct` (past the wire), `wire`, or past the wire and no healthy subscriber from now on: `resumed` asked for what had been
    before, too, `replay` left at what was the end of the log then, and `unread` tells nothing of what it
    reads, if it reads."""
    since: Literal["now", "all", "cursor", "time"] = "now"
    """Of `resumed`: from where on it asked for events."""
    after: str = ""
    """Of `cursor` and `time`: the id of the event behind which it asked for all."""
    code: Count = 0
    reason: str = ""
    """How it ended; of `flawed`, what came, in half a sentence."""
    flaw: Flaw = ""
    """Of `flawed`: what kind of wrong that is."""
    by_server: bool = False
    """Of `closed`: the server said goodbye first, to a reader who wanted more."""
    epoch: Count = 0


class Said(Record, tag="said"):
    """A subscriber sent a frame on its stream, and what came of it. `t_ns` is the moment at which that was clear."""

    reading: str
    frame: str
    """What was sent: a word of `protocol/frames.py`, such as `message` or `no-json`."""
    conversation: str = ""
    text: str = ""
    """What nobody else says, where the frame holds anything that can be read."""
    size: Count = 0
    """Bytes of the frame."""
    back: str = ""
    """The name of the event that came back for it; empty for none."""
    read: bool = False
    """The server answered the ping behind it: it has read the frame."""
    code: Count = 0
    """The code with which the stream was closed over it; 0 while it stays open."""
    began_ns: Moment = 0
    epoch: Count = 0


class Reading(Record, tag="reading"):
    """A list was read: all pages of the log, the disk, what a client holds. `begin`, then its events, then `end`."""

    reading: str
    stage: Literal["begin", "end"]
    reader: Literal["rest", "disk", "client"]
    conversation: str = ""
    final: bool = False
    """The last reading of this reader in the trial: what the guarantees call the log."""
    order: Literal["ascending", "descending", "as-held"] = "ascending"
    part: dict[str, str] = {}
    """The filters that were asked for, by name (`protocol.part.Part`); empty for the whole list."""
    page_size: Count = 0
    count: Count = -1
    """What the server's own counter said at the end of the reading; -1 when it was not asked."""
    pages: Count = 0
    complete: bool = True
    """False when a page failed or the reading was cut short; `error` says why."""
    error: str = ""
    code: Count = 0
    """What the server answered to the page with which a reading of its pages ended; 0 when it said nothing, or was not asked."""
    epoch: Count = 0


class Status(Record, tag="status"):
    """A status that somebody saw. `after_load` tells a read after a load of the conversation from a plain one."""

    conversation: str
    via: Literal["rest", "stream", "disk", "client"]
    raw: str
    neutral: Neutral
    run: str = ""
    """The run that it is of, where a protocol tells the status of a run from that of its conversation."""
    epoch: Count = 0
    after_load: bool = False


class Listing(Record, tag="listing"):
    """The list of the server's conversations was read, page by page, or several of them were asked for by their ids. `t_ns` is the end of
    the reading."""

    reading: str
    """All of one visit have the same."""
    began_ns: Moment = 0
    status: str = ""
    """The raw status that was asked for; empty for all."""
    asked: list[str] = []
    """The ids that were asked for; empty where a list was read."""
    owed: list[str] = []
    """The conversations of others that the server had created when the reading began, and that nobody had asked it to delete
    when it ended."""
    gone: list[str] = []
    """Those of others that the server had deleted when the reading began."""
    order: Literal["ascending", "descending"] = "descending"
    """By the time of creation."""
    page_size: Count = 0
    conversations: list[str] = []
    """In the order given. Of those that were asked for by id, an empty word stands for one that the server does not know."""
    statuses: list[str] = []
    """The raw status with which each was shown."""
    created: list[str] = []
    """When each was created, as the server writes its times."""
    count: Count = -1
    """What the server's own counter said behind it; -1 when it was not asked, or did not say."""
    count_code: Count = 0
    """What it answered when it was asked to count."""
    pages: Count = 0
    largest: Count = 0
    """The conversations of its largest page."""
    complete: bool = True
    """False when a page failed, or there was no end to them; `error` says how."""
    cut_off: bool = False
    """Its reader gave up: there was a next page behind as many as are read."""
    error: str = ""
    code: Count = 0
    """What the server answered to the page with which the reading ended; 0 when it said nothing."""
    epoch: Count = 0


class Neighbour(Record, tag="neighbour"):
    """A conversation of another user, as the server shows it to them: its status, and then its events, for which it may load it. `t_ns`
    is the end of both."""

    conversation: str
    when: Literal["left", "found", "heard"]
    """`left`: it has come to its end, or never began, and nobody speaks in it any more. `found`: somebody comes back to it. `heard`: its
    user was subscribed to it since it was created, as long as that life of the server lasted, and goes; these are the events that came, and
    nobody asked for its status."""
    began_ns: Moment = 0
    code: Count = 0
    """What the server answered to the question for its status; 0 when it said nothing."""
    raw: str = ""
    neutral: Neutral = "none"
    events: list[str] = []
    """The ids of its durable events."""
    complete: bool = True
    """False when they could not be read to their end."""
    epoch: Count = 0


class Child(Record, tag="child"):
    """A conversation that the agent of another one started, and the status that a reader was shown of it, without loading it."""

    conversation: str
    """That of its parent."""
    child: str
    code: Count = 0
    """What the server answered; 0 when it said nothing."""
    raw: str = ""
    neutral: Neutral = "none"
    epoch: Count = 0


class Vocabulary(Record, tag="vocabulary"):
    """The status words that the server publishes, and where; or, with `waited_for`, those that a client waits for and where it
    says so (`poll.py:31`, or a request)."""

    words: list[str]
    source: str
    waited_for: list[str] = []
