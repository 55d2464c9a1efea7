"""A Spark Connect session over the protocol's own messages: run SQL, analyse it, interrupt it.

One request a statement: the plan's root is the SQL text, which the server executes once whether it queries or writes.
"""

import re
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import pyarrow as pa
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from compute.spark.protocol import messages, stubs, types

CLIENT = "lakegate"
MAX_MESSAGE = 128 << 20
RPC_SECONDS = 60
_PROGRAM_LIMIT_EXCEEDED = "54000"
_LAST_COMMIT = "spark.databricks.delta.lastCommitVersionInSession"
_REMEMBERED = "INVALID_HANDLE.OPERATION_ABANDONED"
_SQLSTATE = re.compile(r"SQLSTATE: ([0-9A-Z]{5})")
_WRAPPING = frozenset({"TASK_WRITE_FAILED"})
"""Conditions that say where a statement failed: why is said by what caused them."""


class ConnectError(Exception):
    """What the server answered instead of a result. `sqlstate` and `condition` are Spark's own, perhaps empty; by `id`
    the server tells more of it for a while."""

    def __init__(
        self, message: str, *, sqlstate: str = "", condition: str = "", lost: bool = False, id: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.condition = condition
        self.lost = lost
        self.id = id


class Execution:
    """A running statement. Iterate it for its record batches, at least one, maybe empty; `cancel` from any thread."""

    def __init__(self, session: "ConnectSession", sql: str) -> None:
        self.session = session
        self._operation = str(uuid.uuid4())
        request = messages.ExecutePlanRequest(operation_id=self._operation)
        request.plan.root.sql.query = sql
        self._responses = session.call("ExecutePlan", request, timeout=None)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Raises ConnectError."""
        chunks: list[bytes] = []
        try:
            for response in self._responses:
                if not response.HasField("arrow_batch"):
                    continue
                chunks.append(response.arrow_batch.data)
                if len(chunks) >= response.arrow_batch.num_chunks_in_batch:
                    yield from _decode(chunks)
                    chunks.clear()
        except grpc.RpcError as error:
            raise self.session.unwrap(translate(error)) from None

    def cancel(self) -> None:
        """Stops the statement's jobs in the server; the iteration then raises ConnectError. Raises ConnectError."""
        interrupt = messages.InterruptRequest(operation_id=self._operation)
        interrupt.interrupt_type = messages.InterruptRequest.INTERRUPT_TYPE_OPERATION_ID
        self.session.ask("Interrupt", interrupt)

    def sweep(self) -> bool:
        """Cancels the jobs that the server has submitted for the statement since its end. Whether it may be done again:
        not where the server is gone, or remembers ids (it does unless it was started with `configuration`'s settings).

        Jobs carry a tag that is made of the statement's id, and a statement that fails has the server cancel whatever
        carries its tag (`ExecuteThreadRunner`): this one has the same id and fails at once.
        """
        request = messages.ExecutePlanRequest(operation_id=self._operation)
        request.plan.root.sql.query = ""
        try:
            for _ in self.session.call("ExecutePlan", request, timeout=RPC_SECONDS):
                pass
        except grpc.RpcError as error:
            told = translate(error)
        except ConnectError as error:
            told = error
        else:
            return False
        return not told.lost and told.condition != _REMEMBERED

    def abandon(self) -> None:
        """Ends the stream without asking the server, which stops the statement once it notices."""
        self._responses.cancel()


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server listens, as HOST:PORT, and the token that it asks for; None for one that asks for none."""

    address: str
    token: str | None = field(default=None, repr=False)
    encrypted: bool = False


class ConnectSession:
    """One session of a server: its settings and temporary views. Usable from several threads."""

    def __init__(self, server: Server) -> None:
        self._id = str(uuid.uuid4())
        self._metadata = () if server.token is None else (("authorization", f"Bearer {server.token}"),)
        options = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.use_local_subchannel_pool", 1)]
        self._channel = (
            grpc.secure_channel(server.address, grpc.ssl_channel_credentials(), options=options)
            if server.encrypted
            else grpc.insecure_channel(server.address, options=options)
        )
        self._stub = stubs.SparkConnectServiceStub(self._channel)
        self._closed = threading.Event()

    def execute(self, sql: str) -> Execution:
        """Starts a statement; its errors are raised by the iteration."""
        return Execution(self, sql)

    def analyze(self, sql: str) -> "types.DataType.Struct":
        """The type of a query's rows, by the analyser alone. Raises ConnectError, for what is no query too.

        The text becomes a subquery, which Spark's grammar allows for queries only, so nothing else can slip through.
        """
        request = messages.AnalyzePlanRequest()
        request.schema.plan.root.sql.query = f"SELECT * FROM (\n{sql}\n)"
        row: types.DataType.Struct = self.ask("AnalyzePlan", request).schema.schema.struct
        return row

    def configure(self, settings: Mapping[str, str]) -> None:
        """Sets the session's own settings. Raises ConnectError."""
        request = messages.ConfigRequest()
        pairs = [messages.KeyValue(key=key, value=value) for key, value in settings.items()]
        request.operation.set.pairs.extend(pairs)
        self.ask("Config", request)

    def forget_commit(self) -> None:
        """Until this session's next commit, `last_commit` is None."""
        request = messages.ConfigRequest()
        request.operation.unset.keys.append(_LAST_COMMIT)
        self.ask("Config", request)

    def last_commit(self) -> int | None:
        """The version that this session's latest commit made in whichever Delta table, None if there is none."""
        request = messages.ConfigRequest()
        request.operation.get_option.keys.append(_LAST_COMMIT)
        pairs = self.ask("Config", request).pairs
        return int(pairs[0].value) if pairs and pairs[0].value else None

    def unwrap(self, error: ConnectError) -> ConnectError:
        """What caused an error that only says where it was; the error itself where that is all, or the server does not
        tell."""
        if error.condition not in _WRAPPING:
            return error
        try:
            told = self.ask("FetchErrorDetails", messages.FetchErrorDetailsRequest(error_id=error.id))
        except ConnectError:
            return error
        return next((cause for cause in _causes(told) if cause.condition not in _WRAPPING), error)

    def close(self) -> None:
        """Releases the session in the server and the connection. Idempotent; a server that is gone is no error."""
        if self._closed.is_set():
            return
        self._closed.set()
        try:
            self.call("ReleaseSession", messages.ReleaseSessionRequest(), timeout=RPC_SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise translate(error) from None
        finally:
            self._channel.close()

    def call(self, method: str, request: Any, *, timeout: float | None) -> Any:
        """One remote call as this session. Raises grpc.RpcError; ConnectError where the session is closed."""
        request.session_id = self._id
        request.client_type = CLIENT
        request.user_context.user_id = CLIENT
        try:
            return getattr(self._stub, method)(request, metadata=self._metadata, timeout=timeout)
        except ValueError as error:  # gRPC's word for a channel that is closed
            raise ConnectError(str(error), lost=True) from None

    def ask(self, method: str, request: Any) -> Any:
        """`call` for one short answer. Raises ConnectError."""
        try:
            return self.call(method, request, timeout=RPC_SECONDS)
        except grpc.RpcError as error:
            raise translate(error) from None


def translate(error: grpc.RpcError) -> ConnectError:
    """The server's error from the status that gRPC carried it in."""
    lost = error.code() is grpc.StatusCode.UNAVAILABLE
    message = error.details() or ""
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return ConnectError(message, sqlstate=_PROGRAM_LIMIT_EXCEEDED)
    for detail in getattr(rpc_status.from_call(error), "details", ()):
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            told = error_details_pb2.ErrorInfo()
            detail.Unpack(told)
            sqlstate = told.metadata.get("sqlState") or _sqlstate_in(message)
            condition, number = (told.metadata.get(name, "") for name in ("errorClass", "errorId"))
            return ConnectError(message, sqlstate=sqlstate, condition=condition, lost=lost, id=number)
    return ConnectError(message, sqlstate=_sqlstate_in(message), lost=lost)


def _causes(told: Any) -> Iterator[ConnectError]:
    """The error that was asked for, what caused it, and so on."""
    place = told.root_error_idx
    for _ in told.errors:
        error = told.errors[place]
        known = error.spark_throwable
        yield ConnectError(error.message, sqlstate=known.sql_state, condition=known.error_class)
        if not error.HasField("cause_idx"):
            return
        place = error.cause_idx


def _decode(chunks: Sequence[bytes]) -> pa.RecordBatchReader:
    reader = pa.ipc.open_stream(b"".join(chunks))
    if any(kind.id == pa.lib.Type_INTERVAL_MONTHS for kind in reader.schema.types):
        # Arrow has the type, pyarrow cannot hold its values.
        raise ConnectError("results cannot hold spark's interval year to month", sqlstate="0A000")
    return reader


def _sqlstate_in(message: str) -> str:
    found = _SQLSTATE.search(message)
    return found[1] if found else ""
