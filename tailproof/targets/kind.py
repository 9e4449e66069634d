"""What a kind of target has to say, and how one is asked for."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

from tailproof.incoming import BadInput
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.masking import SESSION_KEY, without_user_info
from tailproof.outgoing.visible import clip
from tailproof.protocol.adapter import Launcher
from tailproof.provision.recipe import ImageRecipe, Recipe
from tailproof.targets.target import Target, TargetError


class BadTarget(TargetError, BadInput):
    """What was asked for is not a target; the message says what would be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """One target as it was asked for."""

    spec: str
    what: str
    """What stands behind the colon."""
    adapter: Launcher
    model_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetKind:
    """One kind of target, by the word before the colon."""

    form: str
    """How it is written, for messages: `docker:IMAGE`."""
    protocol: str
    """The adapter that speaks with such a target."""
    make: Callable[[TargetSpec], Target]
    """Builds, fetches and starts nothing. Raises BadTarget."""
    executes: bool = False
    """Its targets are executors of sandboxes: an `ExecutorAdapter` speaks with them."""
    runs_already: bool = False
    """Somebody else runs it: it takes the address of a model that it can reach."""
    bare: bool = False
    """The word alone names one, too."""
    recipe: Recipe | None = None
    """Its targets are releases of this, and `newest` is one of them."""
    image: ImageRecipe | None = None
    """Images of its targets can be built from this."""


def said(word: str) -> str:
    """A word of a user as it is repeated to him."""
    return clip(repr(word), SAID_CHARS)


def check_address(address: str, otherwise: str) -> None:
    """Raises BadTarget, with the words `otherwise` or with the place for a key: never with what stands before an `@`."""
    try:
        parts = urllib.parse.urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if "@" in address:
        raise BadTarget(
            f"{said(without_user_info(address))} has a user name or a password in it, which would be in every report: leave it out, "
            f"and give the session key of the server in the variable {SESSION_KEY}"
        )
    if not fits or "?" in address or "#" in address:
        raise BadTarget(otherwise)
