"""With whom a trial could not go on: told from what went wrong, and from who was asked for what at that moment."""

from __future__ import annotations

from typing import Literal

from tailproof.clients.client import ClientError, ClientRaised
from tailproof.faults.fault import Planned
from tailproof.history.records import BreakOff
from tailproof.outgoing.masking import Masker
from tailproof.protocol.subscription import SubscriptionRefused
from tailproof.provision.errors import EngineError, Unavailable
from tailproof.targets.target import ServerFailed
from tailproof.waiting import DeadlineMissed
from tailproof.wire.handle import WireError
from tailproof.wire.toxiproxy import ToxiproxyError

AtWork = tuple[Literal["server", "client", "harness"], str]
"""Who is asked for what: whom a missed deadline is laid to."""
CAUSES = (DeadlineMissed, SubscriptionRefused, ClientError, Unavailable, WireError, ToxiproxyError, OSError)
"""What may go wrong in a trial without being a defect of ours."""
SAYS_CHARS = 500


def break_off(error: Exception, at_work: AtWork, masker: Masker) -> BreakOff:
    """Whatever the product did not do is its own: it raised, refused, ended by itself, or let a deadline pass while it was asked.
    Everything else is the harness's."""
    by, doing = at_work
    match error:
        case ClientRaised():
            by, doing = "client", error.verb
        case SubscriptionRefused():
            by, doing = "server", "subscribe"
        case ServerFailed():
            by, doing = "server", "ready"
        case DeadlineMissed():
            pass
        case WireError():
            by, doing = "harness", "wire"
        case ToxiproxyError():
            by, doing = "harness", "Toxiproxy"
        case EngineError():
            by, doing = "harness", "engine"
        case _:
            by = "harness"
    return BreakOff(by=by, doing=doing, says=masker.cut(str(error), SAYS_CHARS))


def not_healed(fault: Planned, error: Exception, masker: Masker) -> BreakOff:
    """With whom: a server that does not come back is a finding. Everything else is ours, and what is still done to the server may be the
    cause of whatever is seen of it."""
    return break_off(error, ("server", "ready") if fault.ends_a_life else ("harness", fault.name), masker)
