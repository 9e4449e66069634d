"""What a kind of client has to say: how its spec is checked, what is built for it, and how one is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tailproof.clients.client import Client
from tailproof.history.recorder import Recorder
from tailproof.incoming import BadInput
from tailproof.protocol.adapter import Adapter
from tailproof.provision.recipe import Recipe
from tailproof.waiting import Budget


class BadClient(BadInput):
    """What was asked for is not a client; the message is one sentence that says what would be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the harness sees past the wire, for a client that drives itself and tells nothing but its exit."""

    conversations: Callable[[], Sequence[str]]
    """The conversations that the server shows at this moment."""
    began: Callable[[], bool]
    """A run has begun: the model was asked for the first turn of the script."""
    init_key: str = ""
    """What a dormant server is initialised with, where the client shall do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPlan:
    """What the client of one trial is made with."""

    name: str
    """The whole spec, for example `sdk:1.58.0`."""
    adapter: Adapter
    recorder: Recorder
    scratch: Path
    """A directory of the trial on this host, removed by the trial."""
    environment: Mapping[str, str]
    """The marks of the trial, for every process of the client."""
    budget: Budget
    """For building what is not there yet."""
    sight: Sight | None = None
    """Given in every trial; None where a client is made outside of one."""


class Concrete(Protocol):
    """Says which client is meant."""

    def __call__(self, what: str, *, target: str, release: str) -> str:
        """The concrete spec of a client for a target, whose release is empty when it cannot be told. Raises BadClient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of client: a row of a table of an extension (`tailproof.extensions`). Each function gets what stands behind the colon."""

    form: str
    """How it is written, for messages: `sdk:VERSION`."""
    check: Callable[[str], None]
    """Raises BadClient when it cannot be what was meant. Looks at files, builds and fetches nothing."""
    prepare: Callable[[str, Budget], object]
    """Builds what a client of this kind needs and does not have yet; safe to call from several threads and processes. Raises
    Unavailable."""
    make: Callable[[str, ClientPlan], Client]
    """One client, not yet started; builds what `prepare` was not asked for. Raises ClientError, Unavailable."""
    protocol: str = ""
    """The only protocol that it speaks; empty when it speaks any."""
    concrete: Concrete | None = None
    """What a word means for a target; the word itself without one."""
    recipe: Recipe | None = None
    """Its clients are releases of this; of one in the Python package index `newest` is one of them."""
    file: Callable[[str], Path | None] = lambda what: None
    """The file of the user's that a client of this kind is: it travels with the history, so that the trial can be run again elsewhere."""
    equips: bool = False
    """It gives the agent of its conversation what the plan says (`ConversationPlan.equipment`)."""
    is_the_targets: Callable[[str], bool] = lambda what: False
    """What the word means depends on the release of the target."""
