"""What a subscriber may send on its stream, as scenarios name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tailproof.incoming.stream import HowSent

MeantWord = Literal["message", "auth"]
"""What means something to a protocol, and looks different in each: a message of the user, and the key once more."""
GarbageWord = Literal["no-json", "other-shape", "binary", "empty", "large"]
"""What is no message in any protocol."""
FrameWord = Literal["message", "auth", "no-json", "other-shape", "binary", "empty", "large", "ping"]

LARGE_BYTES = 20 << 20
"""More than servers take in one frame unless they were told to: uvicorn takes 16 MiB, `websockets` one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSay:
    """One frame."""

    how: HowSent
    data: bytes


GARBAGE: Mapping[GarbageWord, Callable[[str], ToSay]] = {
    "no-json": lambda mark: ToSay(how="text", data=f'{{"{mark}": '.encode()),
    "other-shape": lambda mark: ToSay(how="text", data=f'{{"hello": "{mark}"}}'.encode()),
    "binary": lambda mark: ToSay(how="binary", data=b"\xff\x00" + mark.encode()),
    "empty": lambda mark: ToSay(how="text", data=b""),
    "large": lambda mark: ToSay(how="text", data=f'{{"hello": "{mark}'.encode().ljust(LARGE_BYTES, b".") + b'"}'),
}
"""Word -> the frame, with a mark in it that nobody else says, where there is room for one."""
