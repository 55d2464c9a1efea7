"""Prepared statements: PREPARE, EXECUTE and DEALLOCATE.

What PREPARE prepares is parsed as a statement of its own, so that it is described, planned and relayed like any other;
the arguments of an EXECUTE are PostgreSQL's to evaluate and to convert. Reference: PostgreSQL
`src/backend/commands/prepare.c`.
"""

from collections.abc import Iterator
from dataclasses import replace

from catalog.resolution import Resolution
from planner import tree
from planner.parse import Statement, parse
from planner.plan import Deallocate, Dialect, Execute, Prepare, PreparedPlan
from planner.relay import relay
from planner.syntax import scan
from planner.tree import Node

VERBS = frozenset({"Prepare", "Execute", "Deallocate"})
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")


def plan_prepared(statement: Statement, resolution: Resolution) -> PreparedPlan:
    """Raises 0A000 for arguments that PostgreSQL may not evaluate."""
    _, fields = tree.unwrap(statement.tree)
    if statement.verb == "Prepare":
        assert statement.query is not None, "every PREPARE has a query"
        return Prepare(fields["name"], statement.query, tuple(_declared(statement.text, fields)))
    if statement.verb == "Deallocate":
        return Deallocate(None if fields.get("isall") else fields["name"])
    sent = relay(statement, resolution)
    start = next((token.start for token in scan(statement.text) if token.text == "("), len(statement.text))
    arguments = replace(sent, text=sent.text[start:])
    return Execute(fields["name"], len(fields.get("params", ())), arguments, start)


def creates_from_execute(statement: Statement) -> bool:
    """Whether it is CREATE TABLE … AS EXECUTE."""
    kind, fields = tree.unwrap(statement.tree)
    return kind == "CreateTableAsStmt" and tree.kind(fields["query"]) == "ExecuteStmt"


def plan_create(statement: Statement, resolution: Resolution) -> Execute:
    """Of CREATE TABLE … AS EXECUTE. Raises 0A000 for arguments that PostgreSQL may not evaluate."""
    text = statement.text
    tokens = scan(text)
    # AS is reserved: no name before can be it.
    at = next(i for i, token in enumerate(tokens) if token.word == "AS" and tokens[i + 1].word == "EXECUTE") + 1
    start, last, depth = tokens[at].start, at + 1, 0
    for place in range(at + 2, len(tokens)):
        depth += (tokens[place].text == "(") - (tokens[place].text == ")")
        if depth == 0 and tokens[place].text != ")":
            break
        last = place
    end = tokens[last].end
    (execute,) = parse(text[start:end], Dialect.POSTGRES)
    planned = plan_prepared(execute, resolution)
    assert isinstance(planned, Execute), "it begins with EXECUTE"
    return replace(planned, offset=planned.offset + start, around=(text[:start], text[end:]))


def _declared(text: str, fields: Node) -> Iterator[tuple[str, int] | None]:
    """The types in the list after PREPARE's name, by the commas between them."""
    nodes = [node["TypeName"] for node in fields.get("argtypes", ())]
    for node, (start, end) in zip(nodes, _parts(text), strict=False):
        inferred = tree.strings(node["names"])[-1] == "unknown"
        yield None if inferred else (text[start:end], start)


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Where the items of the first list in parentheses begin and end."""
    depth, start = 0, 0
    for token in scan(text):
        if token.text in _OPENING:
            depth += 1
            start = token.end if depth == 1 else start
        elif depth == 1 and token.text in (",", ")"):
            yield start, token.start
            start = token.end
        depth -= token.text in _CLOSING
        if start and not depth:
            return
