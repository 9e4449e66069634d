"""A secret is found in every form in which it comes, over line breaks and at cuts, and nothing else is touched."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secret_forms import FORMS

from tailproof.outgoing.masking import (
    BadSecret,
    Masker,
    check_secret,
    secrets_of_environment,
    without_user_info,
)

DRAWN = "5f0c9a7be1d24386a0b1c2d3e4f56789"
SIGNS = "p@ss/w+rd=\"1 \\&<x>'".replace(" ", "~")
KEYS = {
    "a key that we draw": DRAWN,
    "a key with signs": SIGNS,
    "a short key": "hunter-2",
    "a token": "eyJhbGciOi.J9-_x" * 9,
}


OTHERS = Masker({"session key": DRAWN, "server secret": "0" * 4 + "a1b2" * 7})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_secret_is_replaced_in_every_form(key: str, form: str) -> None:
    told = FORMS[form](key)
    masked = Masker({"session key": key}).text(f'{{"said": "{told}", "n": 1}}')
    assert "<secret:session key>" in masked
    assert masked.startswith('{"said": "')
    assert masked.endswith('", "n": 1}')
    for left in FORMS.values():
        assert left(key) not in masked


@given(
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.sampled_from(sorted(KEYS)),
    st.sampled_from([base64.b64encode, base64.b16encode]),
)
def test_a_secret_inside_something_encoded_is_replaced(
    before: bytes, behind: bytes, called: str, encode: Callable[[bytes], bytes]
) -> None:
    key = KEYS[called].encode()
    masked = Masker({"key": key.decode()}).raw(encode(before + key + behind))
    assert b"<secret:key>" in masked
    # At most what is shared with the neighbours is left of it.
    assert len(masked) <= len(encode(before)) + len(b"<secret:key>") + len(encode(behind)) + 4


@given(st.text(max_size=200))
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert OTHERS.text(text) == text
    assert OTHERS.cut(text, 50) == text[:50]


def test_a_uuid_a_digest_and_a_number_are_no_secrets() -> None:
    line = "".join(f'"{secrets.token_hex(16)}", {secrets.randbits(60)} ' for _ in range(2000))
    assert OTHERS.text(line) == line


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_nothing_of_a_secret_is_left_at_a_cut(key: str) -> None:
    masker = Masker({"key": key})
    for form in (str, FORMS["base64"], FORMS["hex"]):
        told = form(key)
        for before in range(0, 60, 3):
            text = f"{'.' * before}{told} and {told} {'x' * 400}"
            cut = masker.cut(text, 50)
            assert "." * min(before, 50) == cut[: min(before, 50)]
            assert not any(told[:size] in cut for size in range(4, len(told)))


def test_what_others_cut_off_is_found_by_its_half() -> None:
    masker = Masker({"key": DRAWN})
    assert masker.text(f"it said {DRAWN[:16]}") == "it said <secret:key>"
    assert masker.text(f"it said {DRAWN[:25]}…") == "it said <secret:key>…"
    assert masker.text(f"{DRAWN[-20:]} it said") == "<secret:key> it said"


def test_each_secret_has_its_name() -> None:
    masker = Masker({"one": "first-key-1", "two": "first-key-1-and-more"})
    assert masker.text("first-key-1-and-more, first-key-1") == "<secret:two>, <secret:one>"


def test_undecodable_text_is_looked_through_too() -> None:
    assert OTHERS.text(f"\udcff\ud83d {DRAWN}") == "\udcff\ud83d <secret:session key>"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "abc",
        "1234567",
        "password",
        "execution_status",
        "20261125",
        "my key is long",
        "schlüssel-12",
        "a1\n45678",
        "x1" * 300,
    ],
)
def test_a_key_that_cannot_be_masked_is_refused_without_it(key: str) -> None:
    with pytest.raises(BadSecret) as refused:
        check_secret(key, "TAILPROOF_SESSION_KEY")
    assert str(refused.value).startswith("TAILPROOF_SESSION_KEY ")
    assert not key or key not in str(refused.value)
    assert Masker({"key": key}).text(f"a {key} b") == f"a {key} b"


@pytest.mark.parametrize("key", [DRAWN, "hunter-2", "my-secret", "s3cretkey", "correcthorsebatterystaple", "1" * 20])
def test_a_key_that_can_be_masked_is_taken(key: str) -> None:
    check_secret(key, "key")
    assert Masker({"key": key}).text(f"a {key} b") == "a <secret:key> b"


def test_what_a_process_was_given_is_found_in_its_environment() -> None:
    environment = {
        "TAILPROOF_SESSION_KEY": DRAWN,
        "HTTPS_PROXY": "http://me:pa%40ssw0rd@proxy:3128",
        "INDEX": "https://token:abc@index.example/simple",
        "PLAIN": "https://index.example/simple",
    }
    assert secrets_of_environment(environment) == {"session key": DRAWN, "HTTPS_PROXY": "pa@ssw0rd"}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("url:http://me:secret@host:8000", "url:http://…@host:8000"),
        ("http://me:se/cr@et@host", "http://…@host"),
        ("url:me:secret@host", "url:…@host"),
        ("url:http://me:sec ret@host", "url:http://…@host"),
        ("http://host:8000/path", "http://host:8000/path"),
    ],
)
def test_an_address_is_shown_without_its_user(address: str, shown: str) -> None:
    assert without_user_info(address) == shown
