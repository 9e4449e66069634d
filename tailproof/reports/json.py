"""`result.json`: the result itself, for machines. Its schema is published in `reports/result.schema.json`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tailproof.incoming import BadInput, files, json
from tailproof.incoming.files import BadFile
from tailproof.incoming.json import NotJson
from tailproof.incoming.limits import RESULT_BYTES, RESULT_VALUES, Exceeded
from tailproof.outgoing.atomic import write_atomically
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import visible_json
from tailproof.reports.comparison import Comparison
from tailproof.reports.result import SCHEMA_VERSION, Result

PUBLISHED = "https://json-schema.org/draft/2020-12/schema"


class BadResult(BadInput):
    """The file holds no result, or one of a schema that this version does not read."""


def encode(result: Result) -> bytes:
    """Indented UTF-8, with a newline at the end."""
    return _indented(result)


def write(result: Result, path: Path) -> None:
    """Write so that nobody ever sees half of it, nor a secret that this process was given. Raises OSError."""
    write_atomically(path, Masker(secrets_of_environment()).raw(encode(result)))


def read(path: Path) -> Result:
    """Read a result. Raises BadResult: unreadable, not a result, or of a schema that this version does not know."""
    try:
        raw = files.read_bytes(path, RESULT_BYTES)
        schema = json.decode(raw, _Versioned, outline=True, values=RESULT_VALUES).schema
        if schema != SCHEMA_VERSION:
            hint = ": use a newer release" if schema > SCHEMA_VERSION else ""
            raise BadResult(f"{path} has schema {schema}; this tailproof reads {SCHEMA_VERSION}{hint}")
        return json.decode(raw, Result, values=RESULT_VALUES)
    except BadFile as error:
        raise BadResult(str(error)) from error
    except (NotJson, Exceeded) as error:
        raise BadResult(f"{path} is not a result: {error}") from error


def encode_comparison(comparison: Comparison) -> bytes:
    """As `encode`."""
    return _indented(comparison)


def write_comparison(comparison: Comparison, path: Path) -> None:
    """As `write`."""
    write_atomically(path, Masker(secrets_of_environment()).raw(encode_comparison(comparison)))


def schema() -> bytes:
    """The JSON Schema of a result."""
    return _schema("tailproof result", Result)


def comparison_schema() -> bytes:
    """The JSON Schema of a comparison."""
    return _schema("tailproof comparison", Comparison)


def _schema(title: str, of: type[msgspec.Struct]) -> bytes:
    document = {"$schema": PUBLISHED, "title": title, **msgspec.json.schema(of)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _indented(facts: msgspec.Struct) -> bytes:
    return visible_json(msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")


class _Versioned(msgspec.Struct):
    schema: int
