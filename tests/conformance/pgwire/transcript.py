"""What was heard in a script, and the comparison of two servers' transcripts: message by message, field by field."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import unified_diff
from typing import Any

from gateway.pgwire import messages as m
from gateway.pgwire.messages import BackendMessage
from tests.conformance.pgwire.script import Difference, Script

FIRST_USER_OID = 16384
"""Below it are the OIDs of PostgreSQL's own catalog, which are the same everywhere."""
SHORT_SECRET = 4
"""Bytes, for clients before 3.2."""
_PLACES_IN_SOURCE = "FLR"
_RANDOM = re.compile(r"\b([rsv])=[^,]+")


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, or the end of the connection: its kind and its fields as they are compared."""

    kind: str
    fields: Mapping[str, str]

    def __str__(self) -> str:
        return " ".join((self.kind, *(f"{name}={text!r}" for name, text in self.fields.items())))


END = Heard("end", {})
Transcript = Sequence[Sequence[Heard]]
"""For each step of a script what was heard there."""


def note(message: BackendMessage) -> Heard:
    """The message without what rightly varies: secrets, nonces, OIDs of what users made, places in source."""
    spell = _FIELDS.get(type(message), _spell_any)
    return Heard(type(message).__name__, spell(message))


def compare(script: Script, heard: Transcript, expected: Transcript) -> list[str]:
    """What is not as it should be: differences that are not listed, and listed ones that are not there."""
    complaints = []
    for step, ours, theirs in zip(script.steps, heard, expected, strict=True):
        ours, theirs = _settle(ours, script.masks), _settle(theirs, script.masks)
        for difference in step.differences:
            (ours, own), (theirs, other) = _take_out(ours, difference), _take_out(theirs, difference)
            if own == other:
                complaints.append(f"{step}: the listed difference in {difference.kind} is gone")
        if ours != theirs:
            lines = list(map(str, theirs)), list(map(str, ours))
            changes = unified_diff(lines[0], lines[1], "PostgreSQL", "Lakegate", n=100, lineterm="")
            complaints.append("\n".join((f"{step} {step.body}", *changes)))
    return complaints


def _settle(messages: Sequence[Heard], masks: Sequence[re.Pattern[str]]) -> list[Heard]:
    """Settings are reported in no order: by name then. What is masked is hidden."""
    settled: list[Heard] = []
    reports: list[Heard] = []
    for message in (*messages, END):
        if message.kind == "ParameterStatus":
            reports.append(message)
            continue
        settled += sorted(reports, key=str)
        reports.clear()
        settled.append(Heard(message.kind, {name: _hide(text, masks) for name, text in message.fields.items()}))
    return settled[:-1]


def _hide(text: str, masks: Sequence[re.Pattern[str]]) -> str:
    for mask in masks:
        text = mask.sub("…", text)
    return text


def _take_out(messages: Sequence[Heard], difference: Difference) -> tuple[list[Heard], list[str | None]]:
    """The messages without what the difference names, and that."""
    kept: list[Heard] = []
    taken: list[str | None] = []
    for message in messages:
        if message.kind != difference.kind:
            kept.append(message)
        elif difference.field is None:
            taken.append(str(message))
        else:
            taken.append(message.fields.get(difference.field))
            rest = {name: text for name, text in message.fields.items() if name != difference.field}
            kept.append(Heard(message.kind, rest))
    return kept, taken


def _spell_any(message: BackendMessage) -> dict[str, str]:
    return {field.name: str(getattr(message, field.name)) for field in fields(message)}  # type: ignore[arg-type]


def _spell_report(message: m.ErrorResponse | m.NoticeResponse) -> dict[str, str]:
    return {code: text for code, text in sorted(message.fields.items()) if code not in _PLACES_IN_SOURCE}


def _spell_key(message: m.BackendKeyData) -> dict[str, str]:
    """Which of its two lengths a secret has: how much a server puts into a long one is its own affair."""
    length = "short" if len(message.secret) == SHORT_SECRET else "long"
    return {"pid": "positive" if message.pid > 0 else "not positive", "secret": length}


def _spell_notification(message: m.NotificationResponse) -> dict[str, str]:
    return {"channel": message.channel, "payload": message.payload}


def _spell_sasl(message: m.AuthenticationSASLContinue | m.AuthenticationSASLFinal) -> dict[str, str]:
    return {"content": _RANDOM.sub(r"\1=…", message.content.decode())}


def _spell_columns(message: m.RowDescription) -> dict[str, str]:
    return {str(number): _spell_column(column) for number, column in enumerate(message.fields, 1)}


def _spell_column(column: m.FieldDescription) -> str:
    parts = {name: getattr(column, name) for name in column.__slots__}
    return ", ".join(f"{name} {_hide_oid(part)}" for name, part in parts.items())


def _spell_types(message: m.ParameterDescription) -> dict[str, str]:
    return {str(number): _hide_oid(oid) for number, oid in enumerate(message.types, 1)}


def _hide_oid(part: object) -> str:
    return "of a user" if isinstance(part, int) and part >= FIRST_USER_OID else str(part)


def _spell_row(message: m.DataRow) -> dict[str, str]:
    return dict(_spell_values(message.values))


def _spell_values(values: Sequence[bytes | None]) -> Iterator[tuple[str, str]]:
    for number, value in enumerate(values, 1):
        yield str(number), "null" if value is None else repr(value)


_FIELDS: Mapping[type[BackendMessage], Callable[[Any], dict[str, str]]] = {
    m.ErrorResponse: _spell_report,
    m.NoticeResponse: _spell_report,
    m.BackendKeyData: _spell_key,
    m.AuthenticationSASLContinue: _spell_sasl,
    m.AuthenticationSASLFinal: _spell_sasl,
    m.NotificationResponse: _spell_notification,
    m.RowDescription: _spell_columns,
    m.ParameterDescription: _spell_types,
    m.DataRow: _spell_row,
}
