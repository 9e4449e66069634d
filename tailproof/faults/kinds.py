"""The faults that tailproof brings, by their names in a scenario."""

from __future__ import annotations

from collections.abc import Mapping

from tailproof.faults import hooks
from tailproof.faults.disk import Damage
from tailproof.faults.disk_refusing import Full, FullAtStart, ReadOnly
from tailproof.faults.disk_slow import Slow
from tailproof.faults.downgrade import Downgrade
from tailproof.faults.fault import Make
from tailproof.faults.fork_bomb import ForkBomb
from tailproof.faults.memory import ChildOom, HelperOom, Pressure, ServerOom
from tailproof.faults.network import ToxicFault
from tailproof.faults.process import Kill, Pause, Restart
from tailproof.faults.server_clock import Step
from tailproof.faults.twin import Twin
from tailproof.faults.wire import DOES, WireFault
from tailproof.wire.toxiproxy import TOXICS, ToxicType


def _wire(does: str) -> Make:
    return lambda identity, options: WireFault(identity, does, options)


def _network(toxic: ToxicType) -> Make:
    return lambda identity, options: ToxicFault(identity, toxic, options)


KINDS: Mapping[str, Make] = {
    "process.kill": Kill,
    "process.restart": Restart,
    "process.pause": Pause,
    "process.twin": Twin,
    "process.downgrade": Downgrade,
    "disk.damage": Damage,
    "disk.full": Full,
    "disk.full-at-start": FullAtStart,
    "disk.read-only": ReadOnly,
    "disk.slow": Slow,
    "clock.step": Step,
    "memory.server": ServerOom,
    "process.fork-bomb": ForkBomb,
    "memory.child": ChildOom,
    "memory.helper": HelperOom,
    "memory.pressure": Pressure,
    **{f"wire.{does}": _wire(does) for does in DOES},
    **{f"network.{toxic}": _network(toxic) for toxic in TOXICS},
    **hooks.KINDS,
}
