"""The guarantees that tailproof brings, in the order in which reports list them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tailproof.guarantees import (
    access,
    client,
    cost,
    cost_growth,
    events_callbacks,
    events_client,
    events_damage,
    events_delivery,
    events_filtered,
    events_log,
    events_ordered,
    events_pages,
    events_resumable,
    events_stable,
    events_terminal,
    hooks,
    loop,
    loop_answered,
    loop_consent,
    model_bounded,
    model_sound,
    server,
    server_leaves,
    server_lists,
    server_responsive,
    server_sane,
    server_stops,
    status,
    status_client,
    status_legal,
    stream,
    stream_apart,
)
from tailproof.guarantees.executions import status as executions
from tailproof.guarantees.verdict import Guarantee

FAMILIES = (
    *(
        events_log,
        events_ordered,
        events_stable,
        events_damage,
        events_delivery,
        events_client,
        events_callbacks,
        events_pages,
        events_filtered,
        events_resumable,
        events_terminal,
    ),
    *(
        hooks,
        stream,
        stream_apart,
        status,
        status_client,
        status_legal,
        executions,
        loop,
        loop_answered,
        loop_consent,
        model_sound,
        model_bounded,
        cost,
        cost_growth,
        server,
        server_leaves,
        server_lists,
        server_responsive,
        server_sane,
        server_stops,
        access,
        client,
    ),
)

GUARANTEES: Mapping[str, Guarantee] = MappingProxyType(
    {guarantee.id: guarantee for family in FAMILIES for guarantee in family.GUARANTEES}
)
