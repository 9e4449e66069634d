"""A server that somebody else runs: `url:URL`. Nothing can be done to it but on the wire."""

from __future__ import annotations

import ssl
import tempfile
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NoReturn

from tailproof.history.records import Life
from tailproof.incoming.connection import Address, Connection
from tailproof.incoming.route import CONNECT_S, LOOPBACK, Unreachable
from tailproof.ownership import scratch
from tailproof.protocol.adapter import Launcher
from tailproof.targets.own_disk import OwnDisk
from tailproof.targets.target import Death, Place, Plan, PodEnd, Scope, TargetError
from tailproof.waiting import Budget, DeadlineMissed


class UrlTarget:
    """Without `model_url`, an address of the scripted model that the server can reach, it takes only what needs no model.
    `spec` is how it was asked for: `KIND:URL`."""

    def __init__(self, spec: str, url: str, *, adapter: Launcher, model_url: str | None = None) -> None:
        self.adapter = adapter
        self.spec = spec
        self.version = ""
        self.facts: Mapping[str, str] = {}
        self.capabilities = frozenset({"model"}) if model_url else frozenset()
        self._url = url.rstrip("/")

    def prepare(self, budget: Budget, *, earlier: bool = False) -> None:
        """Raises TargetError when nobody listens there, or somebody else than it should be."""
        _knock(self._url)

    def server(self, plan: Plan) -> UrlServer:
        """The running server, as a trial sees it."""
        return UrlServer(plan, self._url)


class UrlServer:
    """See `targets.target.Server`. What needs hands on the server raises TargetError."""

    epoch = 0

    def __init__(self, plan: Plan, url: str) -> None:
        self.url = url
        self._here = urllib.parse.urlsplit(url).hostname in LOOPBACK
        self.workspace = f"{tempfile.gettempdir() if self._here else '/tmp'}/{scratch.name_for(plan.owner)}"
        # On this machine tools and harness can share the journal; elsewhere its lines are lost, and nothing rests on them.
        self.journal = str(plan.journal) if self._here else f"{self.workspace}/journal"
        self._engine = plan.engine
        self._removed = False

    def start(self, budget: Budget) -> None:
        """It runs already. Raises TargetError when nobody listens."""
        _knock(self.url)
        self._engine.write(Life("started", self.epoch, place="first", detail=f"{self.url} is run by somebody else"))

    def reach(self, url: str) -> None:
        """It was told where the model is."""

    def alive(self) -> bool:
        """Somebody listens."""
        return self.state() == "running"

    def kill(self, *, scope: Scope, signal: str) -> None:
        """Raises TargetError."""
        self._refuse("killed")

    def wait_dead(self, budget: Budget) -> None:
        """Raises TargetError."""
        self._refuse("watched for its death")

    def last_death(self) -> Death:
        """Raises TargetError."""
        self._refuse("watched for its death")

    def stop(self, budget: Budget, *, grace_s: float = 10.0) -> None:
        """Left running: it is not ours."""

    def end_pod(self, budget: Budget, *, by: PodEnd, grace_s: float) -> NoReturn:
        """Raises TargetError."""
        self._refuse("ended by its pod")

    def pause(self) -> None:
        """Raises TargetError."""
        self._refuse("paused")

    def resume(self) -> None:
        """It was never paused."""

    def downgrade(self, budget: Budget) -> None:
        """Raises TargetError."""
        self._refuse("replaced by another release")

    def restart(self, budget: Budget, *, place: Place) -> None:
        """Raises TargetError."""
        self._refuse("restarted")

    def counters(self) -> Mapping[str, float]:
        """None."""
        return {}

    def state(self) -> Literal["running", "paused", "dead"]:
        """Whether somebody listens."""
        try:
            _knock(self.url)
        except TargetError:
            return "dead"
        return "running"

    def server_pid(self) -> int:
        """Unknown."""
        return 0

    def survivors(self) -> Sequence[str]:
        """Unknown."""
        return ()

    def end_survivors(self) -> None:
        """There are none of ours."""

    def disk(self, into: Path) -> Path:
        """Raises TargetError."""
        self._refuse("asked for its disk")

    def edit_disk(self, edit: Callable[[Path], None]) -> None:
        """Raises TargetError."""
        self._refuse("given a longer history")

    def twin(self) -> NoReturn:
        """Raises TargetError."""
        self._refuse("given a second one on its disk")

    def own_disk(self) -> OwnDisk:
        """It has none."""
        return OwnDisk(Path(), filesystem="")

    def set_clock(self, offset_s: float) -> None:
        """Raises TargetError."""
        self._refuse("given another time")

    def log_tail(self, lines: int = 40) -> str:
        """Out of reach."""
        return ""

    def end_at_once(self) -> None:
        """It is not ours."""

    def remove(self) -> None:
        """Left as it is, but for the workspace that it made for the trial, where that can be reached."""
        if not self._removed:
            self._removed = True
            with suppress(OSError):  # it may be another user's
                if self._here:
                    scratch.remove(Path(self.workspace))
            self._engine.write(Life("removed", self.epoch, detail="left running"))

    def _refuse(self, what: str) -> NoReturn:
        raise TargetError(
            f"{self.url} is run by somebody else and cannot be {what}: use pypi:VERSION, src:DIR or docker:IMAGE"
        )


def _knock(url: str) -> None:
    address = Address.of(url)
    connection = Connection(address)
    try:
        connection.open(Budget(CONNECT_S))
    except Unreachable as error:
        raise TargetError(str(error)) from error
    except ssl.SSLError as error:
        raise TargetError(address.route.why_not(error)) from error
    except (OSError, DeadlineMissed) as error:
        why = "timed out" if isinstance(error, DeadlineMissed) else error.strerror or str(error)
        raise TargetError(f"{address.route.hop_says}: {why}") from error
    finally:
        connection.close()
