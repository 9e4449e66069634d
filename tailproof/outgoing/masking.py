"""Keeps secrets out of everything that is written: `<secret:NAME>` stands where one stood, in whatever form it came.

Forms: plain; as it is written in an address, in JSON, in JSON inside JSON, in a Python literal and in HTML; with every character as
`%xx` or `\\u00xx`; in hex; in base64 at each of the three places where a secret can begin in a group of three bytes, in both
alphabets. A form that a program wrapped is found over its line breaks, and one that somebody cut off by what is left of it, as long
as that is `PIECE` characters of its beginning or its end.
"""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, quote_plus, unquote

import msgspec

from tailproof.outgoing.visible import SECRET

LEAST_CHARS = 8
LEAST_OF_A_WORD = 20
MOST_CHARS = 512
PIECE = 16
"""So many characters of a form give it away, half of a key that we draw. No other text of a trial holds them by chance."""
SHORT_PIECE = 8
"""The same for a form that is shorter than two pieces."""

SESSION_KEY = "TAILPROOF_SESSION_KEY"
"""Where the session key of a running server is taken from; a server without one needs none."""

_WORD = re.compile(rb"[A-Za-z_]+|[0-9]+")
_PRINTABLE = re.compile(r"[!-~]+")
_PASSWORD = re.compile(r"://[^/\s@:]*:([^/\s@]+)@")
_USER_INFO = re.compile(r"(?<=://)[^/\s@:]*:(?![0-9]+(?:[/?#\s]|$))\S*(?=@)")
"""A name and a password, which may hold an `@` or a `/`, too; not a port."""
_ESCAPES = {b"\\\\u00": 7, b"\\u00": 6, b"%": 3}
"""What a form with every character escaped begins with, and how long each of them is."""
MARK = SECRET.encode()
_MARKED = re.compile(rb"<secret:([^<>\n]+)>")
_IN, _OUT = b"x."
_BREAKS = rb"(?:(?:\\{1,4}[rn]|[\r\n])[ \t]*)+"
_break_at = re.compile(_BREAKS).match
_break_before = re.compile(_BREAKS + rb"\Z").search
_LONGEST_BREAK = 32


class BadSecret(Exception):
    """A secret that could not be told from other text, said in a sentence without it."""


def check_secret(value: str, name: str) -> None:
    """Raises BadSecret for a value that would be in half of all records by chance, or in forms that nobody foresees."""
    if not _PRINTABLE.fullmatch(value) or len(value) > MOST_CHARS:
        raise BadSecret(f"{name} is no key: it has at most {MOST_CHARS} characters, printable ASCII without spaces")
    if len(value) < LEAST_CHARS or (len(value) < LEAST_OF_A_WORD and _WORD.fullmatch(value.encode())):
        raise BadSecret(
            f"{name} is too short to be kept out of what is written: a key has at least {LEAST_CHARS} characters, and "
            f"at least {LEAST_OF_A_WORD} when they are all letters or all digits"
        )


def without_user_info(address: str) -> str:
    """An address (`url:http://...`, too, and one that is none) as it may be shown: what stands before an `@` becomes `…`."""
    before, at, host = address.rpartition("@")
    scheme = "".join(before.partition("://" if "://" in before else ":")[:2])
    return f"{scheme}…@{host}" if at else address


def without_passwords(text: str) -> str:
    """`text`, with `…` for the name and password of every address in it: somebody typed it where no address belongs."""
    return _USER_INFO.sub("…", text) if "@" in text else text


def secrets_of_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process was given that nobody may read, by name: the session key, and passwords in addresses (of a proxy, an index)."""
    environment = os.environ if environment is None else environment
    found = {"session key": environment.get(SESSION_KEY, "")}
    for name, value in environment.items():
        for number, password in enumerate(_PASSWORD.findall(value)):
            found[f"{name} {number}" if number else name] = unquote(password)
    return {name: value for name, value in found.items() if _can_be_masked(value)}


class Masker:
    """Replaces the named `secrets`. Those that `check_secret` refuses are left alone: they would garble everything."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        forms = {
            form: _Form(name, form)
            for name, value in secrets.items()
            if _can_be_masked(value)
            for form in _forms(value)
        }
        self._forms = tuple(forms.values())
        self._pieces = tuple(dict.fromkeys(piece for form in self._forms for piece in (form.head, form.tail)))
        alphabet = set(b"".join(self._pieces))
        self._letters = bytes(_IN if byte in alphabet else _OUT for byte in range(256))
        self._run = bytes((_IN,)) * min(map(len, self._pieces), default=1)
        self._reach = 2 * max(map(len, forms), default=0)

    def raw(self, raw: bytes) -> bytes:
        """`raw` without secrets; the same object when there are none."""
        spans = self._spans(raw)
        return _replaced(raw, spans) if spans else raw

    def text(self, text: str) -> str:
        """`text` without secrets."""
        raw = text.encode("utf-8", "surrogatepass")
        spans = self._spans(raw)
        return _replaced(raw, spans).decode("utf-8", "surrogatepass") if spans else text

    def cut(self, text: str, limit: int) -> str:
        """The first `limit` characters without secrets. One that begins among them is replaced whole, so that nothing of it is left at
        the cut; of a long text only a little more than `limit` is looked at."""
        raw = text[: limit + self._reach].encode("utf-8", "surrogatepass")
        end = len(text[:limit].encode("utf-8", "surrogatepass"))
        spans = [span for span in self._spans(raw) if span[0] < end]
        kept = raw[: max([end, *(span[1] for span in spans)])]
        return _replaced(kept, spans).decode("utf-8", "surrogatepass")

    def start(self, raw: bytes | bytearray, limit: int) -> str:
        """What bytes begin with, as `cut` text."""
        return self.cut(bytes(raw[: 4 * (limit + self._reach)]).decode("utf-8", "replace"), limit)

    def _spans(self, raw: bytes) -> list[tuple[int, int, bytes]]:
        """Where secrets are in `raw`: begin, end and what shall replace them, in order."""
        if not self._may_hold(raw):
            return []
        return sorted((span for form in self._forms for span in form.spans(raw)), key=lambda span: (span[0], -span[1]))

    def _may_hold(self, raw: bytes) -> bool:
        """Nearly everything holds no secret, and histories are long: this is a few passes in C."""
        suspects = self._suspects(raw)
        return bool(suspects) and any(piece in suspects for piece in self._pieces)

    def _suspects(self, raw: bytes) -> bytes:
        """The runs in `raw` that are long enough to hold a piece and made of no other characters than pieces are."""
        kinds = raw.translate(self._letters)
        runs = []
        begin = kinds.find(self._run)
        while begin >= 0:
            end = kinds.find(_OUT, begin + len(self._run))
            end = len(raw) if end < 0 else end
            runs.append(raw[begin:end])
            begin = kinds.find(self._run, end)
        return b"\0".join(runs)


def mark(name: str) -> bytes:
    """What stands where this secret was."""
    return MARK + f"{name}>".encode()


def marks_in(masked: bytes) -> set[str]:
    """The names of the secrets that were masked in it."""
    return {name.decode("utf-8", "replace") for name in _MARKED.findall(masked)} if MARK in masked else set()


class _Form:
    """One form of one secret, and the two pieces of it that are looked for."""

    __slots__ = ("head", "mark", "tail", "whole")

    def __init__(self, name: str, whole: bytes) -> None:
        self.mark = mark(name)
        self.whole = whole
        unit = next((size for escape, size in _ESCAPES.items() if whole.startswith(escape)), 1)
        size = max(SHORT_PIECE, min(PIECE, len(whole) // unit // 2)) * unit
        head, tail = whole[:size], whole[-size:]
        # A piece that is a word would be found where no secret is.
        self.head = whole if _WORD.fullmatch(head) else head
        self.tail = whole if _WORD.fullmatch(tail) else tail

    def spans(self, raw: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Where as much of the form as there is can be found in `raw`."""
        for begin in _places(self.head, raw):
            yield begin, self._end(raw, begin + len(self.head)), self.mark
        for begin in _places(self.tail, raw):
            yield self._begin(raw, begin), begin + len(self.tail), self.mark

    def _end(self, raw: bytes, at: int) -> int:
        """The head ends at `at`: where does the rest of the form end, as far as it is there?"""
        for char in self.whole[len(self.head) :]:
            over = _break_at(raw, at)
            follows = over.end() if over and raw[at] != char else at
            if raw[follows : follows + 1] != bytes((char,)):
                break
            at = follows + 1
        return at

    def _begin(self, raw: bytes, at: int) -> int:
        """The tail begins at `at`: where does the rest of the form begin?"""
        for char in reversed(self.whole[: len(self.whole) - len(self.tail)]):
            before = at
            if raw[at - 1 : at] != bytes((char,)):
                over = _break_before(raw, max(0, at - _LONGEST_BREAK), at)
                before = over.start() if over else at
            if raw[max(0, before - 1) : before] != bytes((char,)):
                break
            at = before - 1
        return at


def _places(piece: bytes, raw: bytes) -> Iterator[int]:
    at = raw.find(piece)
    while at >= 0:
        yield at
        at = raw.find(piece, at + len(piece))


def _replaced(raw: bytes, spans: Sequence[tuple[int, int, bytes]]) -> bytes:
    parts: list[bytes] = []
    done = 0
    for begin, end, mark in spans:
        if begin >= done:
            parts += [raw[done:begin], mark]
        done = max(done, end)
    return b"".join((*parts, raw[done:]))


def _can_be_masked(value: str) -> bool:
    try:
        check_secret(value, "")
    except BadSecret:
        return False
    return True


def _forms(secret: str) -> Iterator[bytes]:
    plain = secret.encode()
    in_json = _in_json(secret)
    texts = {
        secret,
        in_json,
        _in_json(in_json),
        secret.replace("\\", "\\\\").replace("'", "\\'"),
        html.escape(secret),
        plain.hex(),
        plain.hex().upper(),
    }
    for escape in ("\\\\u00", "\\u00", "%"):
        texts |= {"".join(f"{escape}{byte:{digits}}" for byte in plain) for digits in ("02x", "02X")}
    for encoded in [secret, *_in_base64(plain)]:
        texts |= {encoded, encoded.replace("/", "\\/")}
        for quoted in (quote(encoded, safe=""), quote(encoded), quote_plus(encoded), _strictly_quoted(encoded)):
            texts |= {quoted, re.sub("%..", lambda found: found[0].lower(), quoted)}
    # The longest first: a form may stand inside another one.
    return (text.encode() for text in sorted(texts, key=lambda text: (-len(text), text)))


def _strictly_quoted(text: str) -> str:
    """As by those who quote what they need not: `-._~`."""
    return re.sub("[^A-Za-z0-9]", lambda found: f"%{ord(found[0]):02X}", text)


def _in_json(text: str) -> str:
    return msgspec.json.encode(text)[1:-1].decode()


def _in_base64(plain: bytes) -> Iterator[str]:
    """The characters that stand for nothing but the secret, whatever stands before and behind it."""
    for before in range(3):
        padded = bytes(before) + plain
        first, last = -(-8 * before // 6), 8 * len(padded) // 6
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            yield alphabet(padded).decode()[first:last]
