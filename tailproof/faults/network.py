"""Byte-level faults: toxics of Toxiproxy, in the path between client and wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof, Stage
from tailproof.provision.toxiproxy import available
from tailproof.wire.toxiproxy import Toxic, ToxicType, ToxiproxyError


class ToxicOptions(BaseModel):
    """`with:` of `network.<toxic>`: the direction, and the attributes of the toxic as Toxiproxy names them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    direction: Literal["downstream", "upstream"] = "downstream"
    attributes: dict[str, Annotated[int, Field(ge=0, le=1_000_000_000)]] = {}


class ToxicFault:
    """One toxic on the trial's own proxy. Proven by reading it back and by the bytes that the wire saw go its way meanwhile."""

    scope = "network"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str, toxic: ToxicType, options: dict[str, Any]) -> None:
        self.id = identity
        self.name = f"network.{toxic}"
        self.options = ToxicOptions.model_validate(options)
        self._toxic: ToxicType = toxic
        try:
            Toxic(name=identity, type=toxic, stream=self.options.direction, attributes=self.options.attributes).check()
        except ToxiproxyError as error:
            raise ValueError(str(error)) from error
        # What the wire sends to Toxiproxy, and what comes from there.
        self._counter = "down.bytes_out" if self.options.direction == "downstream" else "up.bytes_in"
        self._bytes_before = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        return available()

    def describe(self) -> str:
        settings = ", ".join(f"{name} {value}" for name, value in self.options.attributes.items())
        return f"Toxiproxy: {self._toxic} {self.options.direction} ({settings})"

    def inject(self, stage: Stage) -> None:
        assert stage.toxiproxy is not None, "a scenario with a toxic is played with Toxiproxy in its path"
        self._bytes_before = stage.wire.counters()[self._counter]
        stage.toxiproxy.add(self.id, self._toxic, self.options.direction, self.options.attributes)

    def verify(self, stage: Stage) -> Proof:
        """Toxiproxy's own list of toxics, and the bytes that the wire saw go through it meanwhile."""
        assert stage.toxiproxy is not None, "a scenario with a toxic is played with Toxiproxy in its path"
        there = self.id in stage.toxiproxy.toxics()
        through = stage.wire.counters()[self._counter] - self._bytes_before
        return Proof(there and through > 0, {"toxic is on": there, "bytes through it": through})

    def heal(self, stage: Stage) -> None:
        assert stage.toxiproxy is not None, "a scenario with a toxic is played with Toxiproxy in its path"
        stage.toxiproxy.remove(self.id)
