"""What is known of a trial before anything is started, and what its witnesses can see."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable

import tailproof
from tailproof.history.header import SCHEMA_VERSION, Header
from tailproof.scenario.schema import Scenario
from tailproof.trial import machine
from tailproof.trial.order import Order


def header_of(order: Order, scenario: Scenario) -> Header:
    """The header of the trial's history, as far as it is known before anything is started."""
    lag = sum(
        float(plan.options.get("seconds", 0.0))
        for plan in scenario.faults
        if plan.fault in ("wire.delay", "wire.burst", "wire.hold")
    )
    return Header(
        schema=SCHEMA_VERSION,
        trial=f"{uuid.uuid4().hex[:12]}",
        scenario=scenario.name,
        seed=order.seed,
        target=order.target,
        client=order.client,
        versions={"harness": tailproof.__version__},
        machine=machine.facts(),
        parameters={"lag": lag, "scripted": scenario.scripted_s},
        facts={"model_url": order.model_url} if order.model_url else {},
        plan=order.scenario,
        started=time.time(),
    )


def witnesses_of(
    capabilities: frozenset[str], reports: Iterable[str], *, company: bool = False, hooks: bool = False
) -> dict[str, list[str]]:
    """What each witness of a trial can see, with a target that can do so much and a client that tells so much; with `company` acts may
    bring more users on stage, with `hooks` it has a receiver of webhooks."""
    able: dict[str, list[str]] = {
        "trial": ["faults", "points"],
        "observer": ["log", "stream", "status"],
        "model": ["calls"],
        "wire": ["frames", "requests"],
        "client": sorted(reports),
    }
    if "tool-journal" in capabilities:
        able["tool"] = ["effects"]
    if company:
        able["user"] = ["log", "stream"]
    if {"kill", "restart"} & capabilities:
        able["engine"] = ["lives"]
    if "pod" in capabilities:
        able["pod"] = ["status"]
    if "disk" in capabilities:
        able["disk"] = ["log", "status"]
    if hooks:
        able["hooks"] = ["posts"]
    return able
