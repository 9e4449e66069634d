"""What the page's script knows of all trials before one is opened: the grid of guarantees and scenarios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tailproof.outgoing.visible import clip
from tailproof.reports.page.names import Named
from tailproof.reports.result import Result, VerdictResult
from tailproof.reports.words import standing

SCHEMA = 1
Data = Literal["whole", "cut", "none"]
_TEXT = 160
_SENTENCE = 400


def index(result: Result, trials: Sequence[Named], data: Mapping[str, Data]) -> dict[str, Any]:
    """The index; `data` says of each key how much of the trial is in the page."""
    judged: dict[str, VerdictResult] = {}
    for one in trials:
        for verdict in one.trial.verdicts:
            judged.setdefault(verdict.guarantee, verdict)
    row = {name: number for number, name in enumerate(judged)}
    return {
        "schema": SCHEMA,
        "guarantees": [
            {"id": clip(name, _TEXT), "level": verdict.level, "promise": clip(verdict.promise, _SENTENCE)}
            for name, verdict in judged.items()
        ],
        "trials": [
            {
                "key": one.key,
                "called": one.called,
                "family": clip(one.trial.family, _TEXT),
                "tier": clip(one.trial.tier, _TEXT),
                "summary": clip(one.trial.summary, _SENTENCE),
                "duration_ms": round(one.trial.duration_s * 1000, 1),
                "error": clip(one.trial.error or "", _SENTENCE),
                "faults": sorted({clip(fault.name, _TEXT) for fault in one.trial.faults if not fault.act}),
                "cells": [
                    (
                        row[verdict.guarantee],
                        standing(verdict, fail_on=result.gate.fail_on),
                        clip(verdict.signature, _TEXT),
                        _first(verdict),
                    )
                    for verdict in one.trial.verdicts
                ],
                "data": data.get(one.key, "none"),
                "history": clip(one.history, _SENTENCE),
            }
            for one in trials
        ],
    }


def _first(verdict: VerdictResult) -> str:
    """The address of the first record that the verdict rests on; empty for one that names none."""
    return clip(f"{verdict.evidence[0].witness}:{verdict.evidence[0].seq}", _TEXT) if verdict.evidence else ""
