"""Where each promise was made: the specifications, pull requests and docs of the OpenHands agent-server and its SDK."""

from __future__ import annotations

from collections.abc import Mapping

SOURCES: Mapping[str, str] = {
    "client.compatible": "OpenHands software-agent-sdk: events are strict in both directions",
    "client.works": "OpenHands software-agent-sdk: `Conversation`, `send_message`, `run` of each release with its own server",
    "cost.reconcile": "OpenHands software-agent-sdk #1865 (runs can reach 60,000 events)",
    "events.callbacks": "OpenHands openhands-sdk 1.56.0 (missed events are replayed to callbacks), `RemoteConversation`",
    "events.complete": "OpenHands software-agent-sdk #4806 (persist before publish), #3754 (unreadable files)",
    "events.delivered": "OpenHands software-agent-sdk #1791, #3201, #3987",
    "events.middle": "OpenHands software-agent-sdk #1791, #1865",
    "events.ordered": "OpenHands software-agent-sdk #1737 (clients sort by timestamp), timestamp__gte and resend_mode=since",
    "events.paged": "OpenHands agent-server: events/search (page_id, limit, sort_order) and events/count",
    "events.paired": "OpenHands software-agent-sdk #1554 and the model protocols: each tool call has one result",
    "events.spared": "OpenHands software-agent-sdk #3754 (one unreadable event file does not fail the page)",
    "events.stable": "OpenHands software-agent-sdk #4570 (atomic writes), append-only event log",
    "events.tail": "OpenHands software-agent-sdk #1865, #1832",
    "events.unique": "OpenHands software-agent-sdk #1791, OpenHands #12197 (doubled after a reconnect)",
    "loop.answered": "OpenHands software-agent-sdk #442, #4194 (a message that arrives during a step is picked up)",
    "loop.bounded": "OpenHands openhands-sdk `RemoteConversation` (back-off of 1 to 30 s, FATAL_WS_CLOSE_CODES 4001 and 4004)",
    "loop.consent": "OpenHands software-agent-sdk #79, #5092 (a message is no approval)",
    "loop.explained": "OpenHands software-agent-sdk #1554",
    "loop.once": "OpenHands software-agent-sdk #1554 (the error event says: do not run it again)",
    "loop.quiet": "OpenHands agent-server: pause, interrupt and terminal states",
    "loop.returns": "OpenHands software-agent-sdk #1546, #1865, #3793; `RemoteConversation.run`",
    "loop.terminates": "OpenHands software-agent-sdk #1511, #4997",
    "model.sound": "OpenAI chat completions: each tool call is answered by one tool message; OpenHands software-agent-sdk #163",
    "server.ready": "OpenHands agent-server: GET /ready; software-agent-sdk #3184",
    "server.returns": "OpenHands software-agent-sdk #1554, #3184 (restart on the same disk)",
    "server.sane": "RFC 9112 and RFC 6455 (framing); the server's own /openapi.json (shapes); tailproof's limits for what is taken",
    "server.works": "OpenHands agent-server: POST /api/conversations, /events, /run and /sockets/events of each release",
    "status.agree": "OpenHands software-agent-sdk #1865, Paca-AI/paca#242 (stale status after a dead socket)",
    "status.client": "Paca-AI/paca#242 (`state.execution_status` is stale after the stream died)",
    "status.crash": "OpenHands software-agent-sdk #1554, #3184",
    "status.final": "OpenHands software-agent-sdk #3191",
    "status.gated": "OpenHands agent-server: deferred initialisation (OH_DEFERRED_INIT, /api/init)",
    "status.known": "OpenHands software-agent-sdk #3793",
    "stream.resumed": "OpenHands software-agent-sdk #3987",
}
