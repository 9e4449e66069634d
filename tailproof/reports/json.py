"""`result.json`: the result itself, for machines. Its schema is published in `reports/result.schema.json`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tailproof.history.recorder import write_atomically
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import visible_json
from tailproof.reports.result import SCHEMA_VERSION, Result

PUBLISHED = "https://json-schema.org/draft/2020-12/schema"


class BadResult(Exception):
    """The file holds no result, or one of a schema that this version does not read."""


def encode(result: Result) -> bytes:
    """Indented UTF-8, with a newline at the end."""
    return visible_json(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


def write(result: Result, path: Path) -> None:
    """Write so that nobody ever sees half of it, nor a secret that this process was given. Raises OSError."""
    write_atomically(path, Masker(secrets_of_environment()).raw(encode(result)))


def read(path: Path) -> Result:
    """Read a result. Raises BadResult: unreadable, not a result, or a schema newer than this version."""
    try:
        raw = path.read_bytes()
        schema = msgspec.json.decode(raw, type=_Versioned).schema
        if schema > SCHEMA_VERSION:
            raise BadResult(
                f"{path} has schema {schema}; this tailproof reads up to {SCHEMA_VERSION}: use a newer release"
            )
        return msgspec.json.decode(raw, type=Result)
    except OSError as error:
        raise BadResult(f"{path} cannot be read: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise BadResult(f"{path} is not a result: {error}") from error


def schema() -> bytes:
    """The JSON Schema of a result."""
    document = {"$schema": PUBLISHED, "title": "tailproof result", **msgspec.json.schema(Result)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


class _Versioned(msgspec.Struct):
    schema: int
