"""A small MCP server that an agent is given, and how its one tool is called.

It speaks the stdio transport (JSON-RPC, one message a line) and is a POSIX shell program that travels as an argument: it runs wherever
the tools of the terminal run, in a process, a container or a pod, and nothing has to be installed or copied for it. One call is
carried out at a time. It ends with its input, as the transport wants it, behind the call that is under way.
"""

from __future__ import annotations

import base64

NAME = "tailproof"
"""What the server is called."""
TOOL = "run_line"
"""Its tool: it runs a line of shell that is handed over in base64, so that nobody on the way has anything to quote or to expand in it."""
PID = "MCP_SERVER_PID"
"""The variable in which a command finds the process id of the server that runs it."""


def arguments(command: str) -> dict[str, str]:
    """What the tool is called with to run a line of shell."""
    return {"command": base64.b64encode(command.encode()).decode()}


_MARKED = (
    r"""exec env $(tr '\0' '\n' <"/proc/$PPID/environ" 2>/dev/null | grep '^TAILPROOF_[A-Z]*=') sh -c "$1" "$0" """
)
"""Whoever starts an MCP server passes on little of its own environment: the marks of a trial, by which the processes of the server under
test are found and counted, are taken from there."""

_TOOLS = (
    f'{{"tools":[{{"name":"{TOOL}","description":"Runs a line of shell, which is given in base64.","inputSchema":'
    '{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}}]}'
)
_WELCOME = f'"capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"{NAME}","version":"1"}}'

_PROGRAM = rf"""
export {PID}=$$
field() {{ printf '%s\n' "$line" | sed -n "s/.*\"$1\" *: *\"\([A-Za-z0-9+/=._-]*\)\".*/\1/p"; }}
result() {{ printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$id" "$1"; }}
while IFS= read -r line; do
  id=$(printf '%s\n' "$line" | sed -n 's/.*"id" *: *\("[^"]*"\|[0-9][0-9]*\).*/\1/p')
  [ -n "$id" ] || continue
  case $(field method) in
    initialize) result '{{"protocolVersion":"'"$(field protocolVersion)"'",{_WELCOME}}}' ;;
    ping) result '{{}}' ;;
    tools/list) result '{_TOOLS}' ;;
    tools/call)
      said=$(sh -c "$(field command | base64 -d)" </dev/null 2>&1 | tail -n 1 | tr -cd 'A-Za-z0-9 ._:-')
      result '{{"content":[{{"type":"text","text":"'"$said"'"}}],"isError":false}}' ;;
    *) printf '{{"jsonrpc":"2.0","id":%s,"error":{{"code":-32601,"message":"no such method"}}}}\n' "$id" ;;
  esac
done
"""

COMMAND = ("sh", "-c", _MARKED, NAME, _PROGRAM)
"""What starts it."""
