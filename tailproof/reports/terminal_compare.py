"""What a person sees in a terminal of a comparison: the verdict first, then each finding in two lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from tailproof.outgoing.visible import clip, visible
from tailproof.reports.comparison import Comparison, Finding, Sighting
from tailproof.reports.markdown_compare import CHANGES

_SAYS = 400
_MOST = 40


def render(comparison: Comparison, *, files: Mapping[str, str], width: int = 80) -> str:
    """All fits `width` but the paths of what was written."""
    lines = [f"{comparison.verdict}  {comparison.says}", comparison.sides]
    if comparison.answer:
        lines += ["", f"goal: {comparison.answer}: {comparison.goal}"]
    for finding in comparison.findings[:_MOST]:
        lines += ["", *_finding(finding)]
    if len(comparison.findings) > _MOST:
        lines += ["", f"and {len(comparison.findings) - _MOST} more: see the report"]
    if comparison.unverified:
        lines += ["", "NOT VERIFIED"]
        lines += [f"  {one.what}: {clip(one.why, _SAYS)}" for one in comparison.unverified[:_MOST]]
    shown = [part for line in lines for part in _wrapped(line, width)]
    return "\n".join([*shown, "", *(f"  {name:<8}{visible(path)}" for name, path in files.items())])


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{CHANGES[finding.change].upper()}  {finding.called}  {finding.signature}  {finding.level}"
    for when, sighting in (("before", finding.base), ("after", finding.candidate)):
        yield f"  {when:<8}{_said(sighting)}"


def _said(sighting: Sighting) -> str:
    if sighting.verdict is None:
        return "not judged"
    often = f"{sighting.violated} of {sighting.judged} trials: " if sighting.judged else "not decided: "
    return often + clip(sighting.verdict.says, _SAYS)


def _wrapped(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip(" ")))
    return textwrap.wrap(visible(line), width, subsequent_indent=f"{indent}  ", break_on_hyphens=False) or [""]
