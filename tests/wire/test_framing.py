"""The wire's own frame parser: whatever the fragmentation and however the bytes are cut, frames and names are right."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailproof.incoming.limits import CONTROL_FRAMES
from tailproof.protocol.naming import Naming
from tailproof.wire.events import EventScanner
from tailproof.wire.framing import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Scanner,
    frame,
    split,
    unmask,
)
from tailproof.wire.peek import NAMED_BYTES, peek

masks = st.one_of(st.just(b""), st.binary(min_size=4, max_size=4))
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
payloads = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([0, 125, 126, 65_535, 65_536, 70_000]).map(lambda size: b"x" * size),
    st.builds(
        lambda identity, pad, kind: json.dumps({"id": identity, "pad": "p" * pad, "kind": kind}).encode(),
        st.text(min_size=1, max_size=20),
        st.integers(0, 20_000),
        st.sampled_from(["ActionEvent", "Obsérvation", 'quo"ted', "x"]),
    ),
)


def event_in(payload: bytes) -> dict[str, str]:
    """Empty for what only begins like one."""
    try:
        body = json.loads(payload)
    except ValueError:
        return {}
    return body if isinstance(body, dict) and body.keys() >= {"id", "kind"} else {}


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, int, bytes, list[bytes], int]:
    """`(bytes on the wire, opcode, payload, names of control frames inside, data frames)`."""
    payload = draw(payloads)
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    pieces = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    raw, inside = b"", []
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        raw += frame(CONTINUATION if number else opcode, piece, mask=draw(masks), fin=last)
        if not last:
            for kind, said in draw(st.lists(controls, max_size=2)):
                raw += frame(kind, said, mask=draw(masks))
                inside.append(b"ping" if kind == PING else b"pong")
    return raw, opcode, payload, inside, len(pieces)


@given(
    conversation=st.lists(messages(), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 5_000), min_size=1, max_size=40),
)
def test_any_fragmentation_mask_and_chunking_gives_the_same_messages(
    conversation: list[tuple[bytes, int, bytes, list[bytes], int]], cuts: list[int]
) -> None:
    stream = b"".join(raw for raw, *_ in conversation)
    scanner = Scanner()
    seen, boundaries, position, turn = [], [], 0, 0
    while position < len(stream):
        chunk = stream[position : position + cuts[turn % len(cuts)] ** (1 + turn // 40)]
        turn += 1
        for end, opcode, size, identity, name in scanner.scan(chunk):
            seen.append((opcode, size, identity, name))
            if end >= 0:
                boundaries.append(position + end)
        position += len(chunk)
    assert scanner.between
    assert scanner.frames == sum(pieces for *_, pieces in conversation)
    expected_boundaries, at = [], 0
    for raw, *_ in conversation:
        at += len(raw)
        expected_boundaries.append(at)
    assert boundaries == expected_boundaries
    data = [(opcode, size) for opcode, size, *_ in seen if opcode < 8]
    assert data == [(opcode, len(payload)) for _, opcode, payload, _, _ in conversation]
    assert [name for opcode, _, _, name in seen if opcode >= 8] == [
        name for message in conversation for name in message[3]
    ]
    for (_, _, payload, _, _), (_, _, identity, name) in zip(
        conversation, [unit for unit in seen if unit[0] < 8], strict=True
    ):
        if body := event_in(payload):
            assert msgspec.json.decode(b'"' + name + b'"') == body["kind"] or (name == b"" and len(payload) > 16_384)
            assert msgspec.json.decode(b'"' + identity + b'"') == body["id"] or (
                identity == b"" and len(payload) > 16_384
            )


@given(message=messages())
def test_split_takes_a_message_apart_and_loses_nothing(message: tuple[bytes, int, bytes, list[bytes], int]) -> None:
    raw, _, payload, inside, _ = message
    data, control, whole = split(raw)
    assert whole == payload
    assert len(data) + len(control) == len(raw)
    assert bool(control) == bool(inside)


@given(data=st.binary(max_size=500), mask=masks, cut=st.integers(0, 500))
def test_unmasking_in_two_parts_is_unmasking_at_once(data: bytes, mask: bytes, cut: int) -> None:
    whole = unmask(data, mask)
    assert unmask(data[:cut], mask) + unmask(data[cut:], mask, min(cut, len(data))) == whole
    assert unmask(whole, mask) == data


def test_close_code_and_reason_are_read_also_when_masked_and_cut() -> None:
    scanner = Scanner()
    raw = frame(CLOSE, (4001).to_bytes(2, "big") + b"bad key", mask=b"\x01\x02\x03\x04")
    for position in range(len(raw)):
        scanner.scan(raw[position : position + 1])
    assert (scanner.close_code, scanner.close_reason) == (4001, "bad key")


def test_of_a_flood_of_pings_the_first_are_told_and_no_message_is_missed() -> None:
    scanner = Scanner()
    message = frame(TEXT, b'{"id":"a","kind":"B"}')
    units = [unit for raw in (frame(PING, b""),) * 3 * CONTROL_FRAMES for unit in scanner.scan(raw)]
    assert len(units) == CONTROL_FRAMES
    assert [unit[4] for raw in (message, frame(PING, b""), message) for unit in scanner.scan(raw)] == [
        b"B",
        b"ping",
        b"B",
    ]


def test_a_64_bit_length_does_not_need_the_payload_in_one_piece() -> None:
    scanner = Scanner()
    payload = json.dumps({"id": "a", "pad": "x" * 200_000, "kind": "Large"}).encode()
    raw = frame(TEXT, payload)
    units = [unit for at in range(0, len(raw), 65_536) for unit in scanner.scan(raw[at : at + 65_536])]
    assert [unit[1:] for unit in units] == [(TEXT, len(payload), b"a", b"Large")]


def test_compressed_payloads_are_not_read() -> None:
    raw = bytearray(frame(TEXT, b'{"id":"a","kind":"B"}'))
    raw[0] |= 0x40
    assert Scanner().scan(bytes(raw)) == [(len(raw), TEXT, 21, b"", b"")]


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ('{"id":"a","n":1,"kind":"K"}', ("a", "K")),
        ('{"id": "a", "n": 1, "kind": "K"}', ("a", "K")),
        ('{"kind":"K","id":"a","rest":{"kind":"Inner"}}', ("a", "K")),
        ('{"id":"a","action":{"kind":"Inner"},"kind":"K"}', ("a", "K")),
        ('{"id":"a","kind":"K","action":{"kind":"Inner"}}', ("a", "K")),
        ('{"id":"a","action":{"kind":"Inner"}}', ("a", "")),
        ('{"x":{"id":"inner"},"id":"a","kind":"K"}', ("a", "K")),
        ('{"id":"a","text":"\\"kind\\":\\"No\\"}"}', ("a", "")),
        ('{"type":"auth","session_api_key":"k"}', ("", "auth")),
        ('{"event":"moved"}', ("", "moved")),
        ('{"id":7,"kind":"K"}', ("", "K")),
        ('["id","a"]', ("", "")),
        ('{"id":"a"', ("a", "")),
        ("", ("", "")),
        ("no json", ("", "")),
    ],
)
def test_peek_finds_id_and_kind_of_the_outermost_object_only(payload: str, found: tuple[str, str]) -> None:
    raw = payload.encode()
    identity, name = peek(raw, raw[-96:], whole=True)
    assert (identity.decode(), name.decode()) == found


ENVELOPE = Naming("params.entry.no", "params.entry.sort")


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"no": 7, "sort": "mood"}, ("7", "mood")),
        ({"no": "e1", "sort": "mood", "pad": "p" * 200_000}, ("e1", "mood")),
        ({"no": True, "sort": 'quo"ted'}, ("", 'quo\\"ted')),
        ({"id": "e1", "kind": "mood"}, ("", "")),
        ("no object", ("", "")),
        ({"no": "e1", "sort": "mood", "pad": "p" * NAMED_BYTES}, ("", "")),
    ],
)
@pytest.mark.parametrize("piece", [1 << 20, 4_000])
def test_a_protocol_says_where_its_messages_have_their_names(entry: object, found: tuple[str, str], piece: int) -> None:
    payload = json.dumps({"id": "not-this", "kind": "nor-this", "params": {"entry": entry}}).encode()
    for raw, scanner in (
        (frame(TEXT, payload, mask=b"mask"), Scanner(ENVELOPE)),
        (frame(TEXT, payload), Scanner(ENVELOPE)),
        (b"data: " + payload + b"\n\n", EventScanner(ENVELOPE)),
    ):
        units = [unit for at in range(0, len(raw), piece) for unit in scanner.scan(raw[at : at + piece])]
        assert [(identity.decode(), name.decode()) for *_, identity, name in units] == [found]
