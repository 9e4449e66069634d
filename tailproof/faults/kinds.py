"""The faults that tailproof brings, by their names in a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tailproof.faults.fault import Make
from tailproof.faults.memory import ChildOom, ServerOom
from tailproof.faults.network import ToxicFault
from tailproof.faults.process import Kill, Pause, Restart
from tailproof.faults.wire import DOES, WireFault
from tailproof.wire.toxiproxy import TOXICS

KINDS: Mapping[str, Make] = {
    "process.kill": Kill,
    "process.restart": Restart,
    "process.pause": Pause,
    "memory.server": ServerOom,
    "memory.child": ChildOom,
    **{f"wire.{does}": partial(WireFault, does=does) for does in DOES},
    **{f"network.{toxic}": partial(ToxicFault, toxic=toxic) for toxic in TOXICS},
}
