"""Every kind of fault by its name in a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from tailproof.faults.fault import Fault
from tailproof.faults.memory import ChildOom, ServerOom
from tailproof.faults.network import ToxicFault
from tailproof.faults.process import Kill, Pause, Restart
from tailproof.faults.user import UserDelete, UserMessage, UserPause
from tailproof.faults.wire import DOES, WireFault
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.wire.toxiproxy import TOXICS, ToxicType
from tailproof.yamlfile import did_you_mean

Make = Callable[[str, dict[str, Any]], Fault]


def _wire(does: str) -> Make:
    return lambda identity, options: WireFault(identity, does, options)


def _network(toxic: ToxicType) -> Make:
    return lambda identity, options: ToxicFault(identity, toxic, options)


CATALOGUE: Mapping[str, Make] = {
    "process.kill": Kill,
    "process.restart": Restart,
    "process.pause": Pause,
    "memory.server": ServerOom,
    "memory.child": ChildOom,
    "user.pause": UserPause,
    "user.delete": UserDelete,
    "user.message": UserMessage,
    **{f"wire.{does}": _wire(does) for does in DOES},
    **{f"network.{toxic}": _network(toxic) for toxic in TOXICS},
}


def fault_for(identity: str, kind: str, options: dict[str, Any]) -> Fault:
    """A fault as a scenario asks for it. Raises ValueError: unknown kind, unknown or bad options."""
    make = CATALOGUE.get(kind)
    if make is None:
        raise ValueError(f"there is no fault {clip(repr(kind), SAID_CHARS)}{did_you_mean(kind, CATALOGUE)}")
    try:
        return make(identity, options)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise ValueError(said) from error
