"""The forms in which a key comes back from others."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in a query": lambda key: quote(key, safe=""),
    "in a query, small hex": lambda key: "".join(c if c.isalnum() else f"%{ord(c):02x}" for c in key),
    "in a path": quote,
    "in a form": quote_plus,
    "every character of an address": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "in JSON": lambda key: json.dumps(key)[1:-1],
    "in JSON inside JSON": lambda key: json.dumps(json.dumps(key))[3:-3],
    "in JSON, slashes escaped": lambda key: key.replace("/", "\\/"),
    "every character in JSON": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "every character in JSON inside JSON": lambda key: "".join(f"\\\\u{ord(c):04X}" for c in key),
    "in a Python literal": lambda key: repr(key)[1:-1],
    "in HTML": html.escape,
    "hex": lambda key: key.encode().hex(),
    "HEX": lambda key: key.encode().hex().upper(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 behind one byte": lambda key: base64.b64encode(b"u" + key.encode() + b"t").decode(),
    "base64 behind two bytes": lambda key: base64.b64encode(b"u:" + key.encode() + b"tail").decode(),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(b"??" + key.encode()).decode(),
    "base64 in a query": lambda key: quote(base64.b64encode(key.encode()).decode(), safe=""),
    "wrapped": lambda key: "\n".join(key[at : at + 20] for at in range(0, len(key), 20)),
    "wrapped, in JSON": lambda key: json.dumps("\r\n  ".join(key[at : at + 20] for at in range(0, len(key), 20)))[1:-1],
    "base64, wrapped": lambda key: base64.encodebytes(b"x" * 40 + key.encode() + b"y" * 40).decode(),
}
