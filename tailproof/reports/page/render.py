"""Puts the page together: static HTML from templates, the index and the trials as data, and the script that reads them.

The page asks nobody for anything: its policy allows its own style and its own script, known by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tailproof.outgoing.atomic import write_atomically
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import clip, visible
from tailproof.reports.comparison import Comparison
from tailproof.reports.page.index import index
from tailproof.reports.page.links import linked
from tailproof.reports.page.names import Named, named
from tailproof.reports.page.room import pack
from tailproof.reports.page.static import Caps, view
from tailproof.reports.page.summary import GATES, SIGNS
from tailproof.reports.result import Result
from tailproof.reports.words import STANDINGS, moment
from tailproof.resources import folder

MOST_BYTES = 3_000_000
"""No page is larger."""
STATIC_BYTES = 1_500_000
"""What is readable without scripts takes no more, the index included."""
_LINE = 300
_CAPS = (Caps(trials=400, cards=60), Caps(trials=120, cards=30), Caps(trials=40, cards=12), Caps(trials=10, cards=4))


@dataclass(frozen=True, slots=True)
class Island:
    """The interactive part as it was built: a script without modules, and its style. Both may be empty: the page is readable
    without them."""

    script: str = ""
    style: str = ""

    @classmethod
    def shipped(cls) -> Island:
        """The built files of this installation. Raises OSError when they are not there."""
        place = folder("reports") / "html"
        return cls(*(_text(place / name) for name in ("app.js", "app.css")))


def render(
    result: Result,
    *,
    root: Path | None,
    island: Island,
    comparison: Comparison | None = None,
    masker: Masker | None = None,
    hurry: Callable[[], bool] = lambda: False,
) -> str:
    """The page, in at most `MOST_BYTES` bytes. `root` is the directory that histories are relative to, None for a page without data of
    trials; when `hurry` says so, trials whose data is not there yet are left without. With a `comparison`, whose candidate the result is,
    the page says what changed."""
    masker = masker or Masker({})
    templates = _templates(masker)
    templates.globals["island"] = bool(island.script)
    trials, body, told = _static(result, comparison, templates, masker)
    frame = {
        "title": _title(result, comparison),
        "style": Markup(_plain(_text(folder("reports") / "html" / "page.css") + island.style, "</style")),
        "script": Markup(_plain(island.script, "</script")),
        "body": Markup(body),
    }
    frame["policy"] = _policy(frame["style"], frame["script"])
    taken = sum(len(str(part).encode()) for part in frame.values()) + len(told.encode())
    left = MOST_BYTES - taken - _SPARE - _PER_TRIAL * len(trials)
    packed = pack(trials, root, left, masker=masker, hurry=hurry) if root is not None else []
    data = {one.key: one.data for one in packed}
    return templates.get_template("layout.html.j2").render(
        frame, index=Markup(_json(index(result, trials, data), masker)), packed=packed
    )


_SPARE = 4_096
_PER_TRIAL = 200
"""Bytes around what is counted: tags, and how much of a trial there is in the index."""


def write(
    result: Result,
    paths: Iterable[Path],
    *,
    root: Path | None,
    comparison: Comparison | None = None,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """Write the page, to each of the paths, so that nobody ever sees half of it, nor a secret that this process was given. Raises
    OSError."""
    masker = Masker(secrets_of_environment())
    page = render(result, root=root, island=Island.shipped(), comparison=comparison, masker=masker, hurry=hurry)
    content = page.encode()
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)


def _static(
    result: Result, comparison: Comparison | None, templates: Environment, masker: Masker
) -> tuple[list[Named], str, str]:
    """The trials that are shown, what is readable of them without scripts, and their index: as much as there is room for."""
    every = named(result.trials, comparison.candidate.folder if comparison is not None else "")
    for caps in _CAPS:
        trials = _chosen(every, caps.trials)
        body = templates.get_template("page.html.j2").render(view(result, trials, caps, masker, comparison))
        told = _json(index(result, trials, {}), masker)
        if len(body.encode()) + len(told.encode()) <= STATIC_BYTES:
            break
    return trials, body, told


def _chosen(trials: Sequence[Named], most: int) -> list[Named]:
    """Of very many trials those in which something is not as it should be, and as many others as there is room for, in their
    order."""
    if len(trials) <= most:
        return list(trials)
    odd = [one for one in trials if one.trial.error is not None or any(v.signature for v in one.trial.verdicts)]
    kept = {one.key for one in (*odd, *trials)[:most]} if len(odd) >= most else {one.key for one in odd}
    for one in trials:
        if len(kept) >= most:
            break
        kept.add(one.key)
    return [one for one in trials if one.key in kept]


def _templates(masker: Masker) -> Environment:
    """Masks and escapes whatever a template prints, and shows every character that would act."""

    def shown(said: Any) -> Any:
        return visible(masker.text(said)) if isinstance(said, str) and not isinstance(said, Markup) else said

    templates = Environment(
        loader=FileSystemLoader(folder("reports") / "html" / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.globals |= {"signs": SIGNS, "words": {name: called for name, (_, _, called) in STANDINGS.items()}}
    templates.filters["clip"] = lambda text, limit=_LINE: clip(text, limit)
    templates.filters["moment"] = moment
    templates.filters["linked"] = lambda text: linked(shown(text))
    return templates


def _title(result: Result, comparison: Comparison | None) -> str:
    if comparison is not None:
        sides = f"{comparison.candidate.target} against {comparison.base.target}"
        return clip(f"{comparison.verdict.capitalize()}: {sides}", _LINE)
    return clip(f"{GATES[result.gate.state][1]}: {result.target}", _LINE)


def _json(value: Any, masker: Masker) -> str:
    """JSON in which nothing could end the script around it, nor the line."""
    return masker.raw(msgspec.json.encode(value)).decode().translate(_ACTING)


_ACTING = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def _plain(text: str, ending: str) -> str:
    """Raises ValueError: what was built holds the end of its own element."""
    if ending in text.lower() or "<!--" in text:
        raise ValueError(f"a built file of the page holds {ending!r} or '<!--'")
    return text


def _policy(style: str, script: str) -> str:
    """Nothing may be fetched, framed or sent; only this style and this script may act."""
    allowed = f"script-src {_hash(script)}; " if script else ""
    return f"default-src 'none'; {allowed}style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
