"""Which targets meet which clients in a check, what each pair is called, and what is built for it before the first trial."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from tailproof.clients.client import ClientError
from tailproof.clients.kind import BadClient, Kind
from tailproof.clients.spec import kind_of as client_kind_of
from tailproof.clients.spec import needs_release, prepare, resolved
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import Newest, known_releases, newest_release
from tailproof.provision.recipe import PythonRecipe
from tailproof.targets.kind import TargetKind
from tailproof.targets.resolve import kind_of, resolve
from tailproof.targets.target import Target
from tailproof.waiting import Budget, DeadlineMissed

PLAIN = "plain"
NEWEST = "newest"
BUILD_S = 1800.0
ASK_S = 20.0
"""How long the package index may take to say which release is the newest."""
BUILDERS = 4
"""How much is built side by side: resolving and fetching wait for the network, unpacking for the disk."""

_NO_PATHS = ("docker", "url")
_LONGEST = 48
_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A target and a client that meet in trials."""

    target: str
    client: str
    """The concrete spec; the word that was asked for where its target could not be built and so has no release."""
    name: str = ""
    """`sdk-1.11.0_pypi-1.11.0`; empty in a check of one pair."""
    release: str = ""
    """The release of the target, where it can be told before a start."""
    failure: str = ""
    """What could not be built, so that the pair has no trials; empty when all is there."""
    newest: str = ""
    """What `newest` came to and who says so, where the target or the client was asked for by that word."""


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """The pairs of a check, each once, those of one target side by side."""

    pairs: tuple[Pair, ...]
    plain: tuple[Pair, ...]
    """Each target with the plain client, for the scenarios that judge the server alone."""

    def plain_of(self, target: str) -> Pair:
        """The pair of a target (its spec) and the plain client."""
        return next(pair for pair in self.plain if pair.target == target)


def meet(
    targets: Sequence[str],
    clients: Sequence[str],
    *,
    model_url: str = "",
    build: bool = True,
    say: Callable[[str], object] = lambda line: None,
) -> Matrix:
    """Every target with every client; nothing asked is the client that belongs to the target.

    With `build` all that they need is built before this returns, side by side. What cannot be built makes its own pairs fail
    and no other. `newest` is then what the package index calls so, and `say` is told what that is; without `build` nobody is
    asked, and it is the newest release with a committed lock file.

    Raises:
        BadTarget, BadClient: a spec is wrong, or `sdk` is asked for a target whose release cannot be told.
        Unavailable: nobody can say which release `newest` is.
    """
    if any(not word.strip() for word in clients):
        raise BadClient("the word for a client is empty: name one, or leave --client out for the target's own")
    index = _Index(say)
    if build:
        targets, clients = index.specs(targets, clients)
    running = any(kind_of(spec)[0].runs_already for spec in targets)
    addresses = {spec: model_url_of(spec, model_url) if running else model_url for spec in targets}
    found = [resolve(spec, model_url=url or None) for spec, url in addresses.items()]
    servers = list({target.spec: target for target in found}.values())
    asked = list(dict.fromkeys(clients)) or [""]
    unbuilt, missing = _build(servers, asked) if build else ({}, {})
    pairs = [_pair(server, word, unbuilt, missing) for server in servers for word in asked]
    pairs = list({(pair.target, pair.client): pair for pair in pairs}.values())
    plain = [_pair(server, PLAIN, unbuilt, missing) for server in servers]
    pairs, plain = ([_told(pair, index.came_to) for pair in some] for some in (pairs, plain))
    if len(pairs) > 1:
        words = _words(spec for pair in (*pairs, *plain) for spec in (pair.target, pair.client))
        pairs, plain = ([_named(pair, words) for pair in some] for some in (pairs, plain))
    return Matrix(pairs=tuple(pairs), plain=tuple(plain))


def concrete(
    targets: Sequence[str], clients: Sequence[str], say: Callable[[str], object]
) -> tuple[list[str], list[str]]:
    """Targets and clients with the release that `newest` is, as `meet` finds it: for who lets others meet them. Raises BadTarget,
    BadClient, Unavailable."""
    return _Index(say).specs(targets, clients)


def model_url_of(spec: str, model_url: str) -> str:
    """The address of the model is for a target that runs already; the others find it by themselves."""
    return model_url if kind_of(spec)[0].runs_already else ""


# -- newest -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Newest:
    """What `newest` came to."""

    spec: str
    sentence: str
    recipe: PythonRecipe


@dataclass(slots=True)
class _Index:
    """Says which spec is meant by one that ends in `newest`. The package index is asked once for each recipe."""

    say: Callable[[str], object]
    came_to: list[_Newest] = field(default_factory=list)
    asked: dict[PythonRecipe, Newest] = field(default_factory=dict)

    def specs(self, targets: Sequence[str], clients: Sequence[str]) -> tuple[list[str], list[str]]:
        """All of them, as `spec` says each."""
        return [self.spec(word, kind_of) for word in targets], [self.spec(word, client_kind_of) for word in clients]

    def spec(self, word: str, kind_of: Callable[[str], tuple[TargetKind | Kind, str]]) -> str:
        """The word itself when it does not end so, or its kind has no releases in the index."""
        kind, _, what = word.partition(":")
        recipe = kind_of(word)[0].recipe if what == NEWEST else None
        if not isinstance(recipe, PythonRecipe):
            return word
        if recipe not in self.asked:
            self.asked[recipe] = newest_release(recipe, Budget(ASK_S))
        found = self.asked[recipe]
        spec = f"{kind}:{found.version}"
        newest = _Newest(spec, f"{word} is {spec}, {found.says}", recipe)
        if newest not in self.came_to:
            self.came_to.append(newest)
            self.say(newest.sentence)
        return spec


def _told(pair: Pair, newest: Sequence[_Newest]) -> Pair:
    """The pair with what `newest` came to. One that cannot be had is not replaced by an older one behind the user's back: a gate
    that opens for the older one says nothing of the newest. The next step is named instead."""
    told = [one for one in newest if one.spec in (pair.target, pair.client)]
    failure = pair.failure
    for one in told:
        committed = known_releases(one.recipe)
        if failure and committed and one.spec.partition(":")[2] not in committed:
            failure = f"{failure.rstrip('.')}; the newest release with a committed lock file is {committed[-1]}"
            break
    return msgspec.structs.replace(pair, newest="; ".join(one.sentence for one in told), failure=failure)


# -- building -----------------------------------------------------------------------------------------------------------


def _build(servers: Sequence[Target], asked: Sequence[str]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What could not be had of the targets and of the clients: spec -> why. Raises BadClient, before anything is built where
    the words alone tell."""
    clients = [
        _client(word, server) for server in servers for word in asked if server.version or not needs_release(word)
    ]
    budget = Budget(BUILD_S)
    builders = ThreadPoolExecutor(max_workers=BUILDERS, thread_name_prefix="build")
    try:
        built = {server.spec: builders.submit(_failure, server.prepare, budget) for server in servers}
        equipped: dict[str, Future[str]] = {}
        _equip(clients, equipped, builders, budget)
        unbuilt = {spec: one.result() for spec, one in built.items()}
        late = [_client(word, server) for server in servers if not unbuilt[server.spec] for word in asked]
        _equip(late, equipped, builders, budget)
        return unbuilt, {spec: one.result() for spec, one in equipped.items()}
    except BaseException:
        budget.cancel.set()
        raise
    finally:
        # One that waits for an engine is not told of a cancellation: whoever was interrupted does not wait for it.
        builders.shutdown(wait=not budget.cancel.is_set(), cancel_futures=True)


def _equip(
    clients: Iterable[str], equipped: dict[str, Future[str]], builders: ThreadPoolExecutor, budget: Budget
) -> None:
    for client in clients:
        if client not in equipped:
            equipped[client] = builders.submit(_failure, partial(prepare, [client]), budget)


def _failure(build: Callable[[Budget], object], budget: Budget) -> str:
    try:
        build(budget)
    except (Unavailable, ClientError, DeadlineMissed) as error:
        return str(error)
    return ""


def _client(word: str, server: Target) -> str:
    return resolved(word, target=server.spec, version=server.version, adapter=server.adapter)


def _pair(server: Target, word: str, unbuilt: Mapping[str, str], missing: Mapping[str, str]) -> Pair:
    failure = unbuilt.get(server.spec, "")
    try:
        client = _client(word, server)
    except BadClient:
        if not failure:
            raise
        client = word
    return Pair(target=server.spec, client=client, release=server.version, failure=failure or missing.get(client, ""))


# -- names --------------------------------------------------------------------------------------------------------------


def _named(pair: Pair, words: Mapping[str, str]) -> Pair:
    return msgspec.structs.replace(pair, name=f"{words[pair.client]}_{words[pair.target]}")


def _words(specs: Iterable[str]) -> dict[str, str]:
    """Spec -> a word for names of tests and directories: letters, digits, dots and dashes, no two alike in any case."""
    words = {spec: _word(spec) for spec in specs}
    often = Counter(word.lower() for word in words.values())
    return {
        spec: word if often[word.lower()] == 1 and len(word) <= _LONGEST else f"{word[:_LONGEST]}-{_digest(spec)}"
        for spec, word in words.items()
    }


def _word(spec: str) -> str:
    kind, _, what = spec.partition(":")
    place = Path(what).expanduser()
    if what and kind not in _NO_PATHS and place.exists():
        what = place.absolute().name
    return _UNSAFE.sub("-", f"{kind}-{what.removeprefix('http://')}").strip("-.")


def _digest(spec: str) -> str:
    return hashlib.sha256(spec.encode()).hexdigest()[:6]
