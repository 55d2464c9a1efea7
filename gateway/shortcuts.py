"""Answers that need no waiting, given without a task switch: the hot path of a connection.

Each method tries to answer one message at once and says whether it did; what it leaves goes to `gateway.conversation`,
which gives the same answers by awaiting. Errors are raised by either alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.pgwire import messages
from gateway.portal import Binding, PreparedStatement

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.pgwire.door import Door
    from gateway.portal import Portal
    from gateway.session import Session

_NO_BINDING = Binding()


class Shortcuts:
    """The messages of one session that can be answered from what is known already."""

    def __init__(self, session: Session, door: Door) -> None:
        self._session = session
        self._door = door
        self._answers: dict[type[messages.FrontendMessage], Callable[..., bool]] = {
            messages.Query: self._query,
            messages.Parse: self._parse,
            messages.Bind: self._bind,
            messages.Describe: self._describe,
            messages.Execute: self._execute,
            messages.Sync: self._sync,
        }

    def answer(self, message: messages.FrontendMessage) -> bool:
        """Whether the message has been answered. Raises SqlError."""
        attempt = self._answers.get(type(message))
        return attempt is not None and attempt(message)

    def _query(self, message: messages.Query) -> bool:
        session = self._session
        session.statements.unnamed, session.query = None, message.sql
        if session.block.explicit or not session.portals.idle:
            return False
        statements = session.split(message.sql)
        if len(statements) != 1 or not statements[0].immutable:
            return False
        answer = session.recall(statements[0], (), _NO_BINDING)
        if answer is None:
            return False
        self._door.write(answer.row_description + answer.rows + answer.complete)
        return True

    def _parse(self, message: messages.Parse) -> bool:
        session = self._session
        if not message.statement:
            session.statements.unnamed = None
        statements = session.split(message.sql)
        if len(statements) != 1:
            return False
        prepared = session.prepare_at_once(statements[0], message.types)
        if prepared is None:
            return False
        session.statements.store(message.statement, prepared)
        self._door.send(messages.ParseComplete())
        return True

    def _bind(self, message: messages.Bind) -> bool:
        binding = Binding(message.formats, message.parameters, message.result_formats)
        if not self._session.bind_at_once(message.portal, message.statement, binding):
            return False
        self._door.send(messages.BindComplete())
        return True

    def _describe(self, message: messages.Describe) -> bool:
        session = self._session
        described = session.statements.get(message.name) if message.kind == "S" else session.portal(message.name)
        row_description = described.row_description
        if row_description:
            session.block.admit(ends_block=False)
        if isinstance(described, PreparedStatement):
            self._door.send(messages.ParameterDescription(described.description.parameters))
        if row_description:
            self._door.write(row_description)
        else:
            self._door.send(messages.NoData())
        return True

    def _execute(self, message: messages.Execute) -> bool:
        portal = self._session.portal(message.portal)
        statement = portal.prepared.statement
        if statement is None:
            self._door.send(messages.EmptyQueryResponse())
            return True
        if not statement.immutable or portal.result is not None or portal.tag or self._session.block.failed:
            return False
        return self._recall(portal, message.max_rows)

    def _recall(self, portal: Portal, max_rows: int) -> bool:
        assert portal.prepared.statement is not None
        if self._door.recoding is not None:
            return False  # Its rows may be in the binary format.
        answer = self._session.recall(portal.prepared.statement, portal.prepared.types, portal.binding)
        if answer is None or 0 < max_rows <= answer.row_count:
            return False
        portal.answered(answer.tag)
        self._session.block.implicit = True
        self._session.query = portal.prepared.statement.text
        self._door.write(answer.rows + answer.complete)
        return True

    def _sync(self, message: messages.Sync) -> bool:
        return self._session.end_implicit_block_at_once()
