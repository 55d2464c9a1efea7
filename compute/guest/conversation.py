"""One connection of a guest: a thread that hears, and the calling thread that executes.

The hearing thread makes cancels work at any moment: while the engine runs and while the answer waits for its reader. It
gives signs of life, too, from the beginning: while the session is still being opened.
"""

import logging
import os
import resource
from collections.abc import Callable
from contextlib import closing
from queue import SimpleQueue
from threading import Event, Thread

from catalog.errors import InternalError, MachineLost, QueryCanceled, SqlError
from compute.engines import Session
from compute.guest.batches import plain_batches, plain_schema
from compute.guest.channel import Channel
from compute.guest.reads import RemoteFiles
from compute.statement import ScanShelf, Statement, unpack_statement
from compute.transport import Frame, FrameError, Kind

FIRST_CANCEL_SECONDS = 0.02
LAST_CANCEL_SECONDS = 1.0
EVERY_STATEMENT = 1 << 32
LONGEST_MESSAGE, LONGEST_REMARK = 16 << 10, 4 << 10
"""Characters of an error's message, and of its detail and hint; escaped, they fit what the pool takes."""
log = logging.getLogger(__name__)


class Conversation:
    """Serves the statements of one connection, one after the other, until the pool leaves.

    Frames that follow one another at once leave together: a small answer is one write, which wakes the pool once.
    """

    def __init__(self, channel: Channel, files: RemoteFiles | None = None) -> None:
        self._channel = channel
        self._session: Session
        self._files = files
        self._shelf = ScanShelf()
        self._requests: SimpleQueue[Frame | None] = SimpleQueue()
        self._running = 0
        self._cancelled = 0
        self._idle = Event()

    def run(self, open_session: Callable[[], Session]) -> None:
        """Returns when the connection is over. A frame that is none ends it too. Raises MachineLost: the engine has
        gone, and what it ran is answered by the machine's end."""
        Thread(target=self._hear, name="hear", daemon=True).start()
        with closing(open_session()) as self._session:
            while (request := self._requests.get()) is not None:
                try:
                    self._answer(request)
                except (OSError, FrameError) as error:
                    log.info("connection ends: %s", error)
                    return

    def _hear(self) -> None:
        try:
            while frame := self._channel.receive():
                if frame.kind is Kind.CANCEL:
                    self._cancel(frame.statement)
                elif frame.kind is Kind.PING:
                    self._channel.send(Frame(Kind.PONG))
                elif frame.kind is Kind.DATA and self._files is not None:
                    self._files.deliver(frame)
                else:
                    self._requests.put(frame)
        except (OSError, FrameError) as error:
            log.info("connection ends: %s", error)
        self._requests.put(None)
        self._cancel(EVERY_STATEMENT)

    def _cancel(self, statement: int) -> None:
        """Asks the engine until the statement has ended: an interrupt before it really ran would be lost."""
        self._cancelled = max(self._cancelled, statement)
        pause = FIRST_CANCEL_SECONDS
        while 0 < self._running <= statement:
            if self._files is not None:
                self._files.stop()
            self._session.cancel()
            self._idle.wait(pause)
            pause = min(pause * 2, LAST_CANCEL_SECONDS)

    def _answer(self, request: Frame) -> None:
        if request.kind is Kind.STATS:
            self._channel.send(Frame(Kind.STATS, request.statement, _usage()))
            return
        statement = unpack_statement(request, self._shelf)
        self._idle.clear()
        self._running = request.statement
        try:
            self._run(request, statement)
        except MachineLost:
            raise
        except SqlError as error:
            was_cancelled = self._cancelled >= request.statement
            self._channel.send(error_frame(request.statement, _cancelled() if was_cancelled else error))
        except OSError:
            raise
        except Exception:
            log.exception("statement failed")
            self._channel.send(error_frame(request.statement, InternalError("the engine failed unexpectedly")))
        finally:
            self._running = 0
            self._idle.set()

    def _run(self, request: Frame, statement: Statement) -> None:
        self._stop_if_cancelled(request.statement)
        scans = statement.scans if self._files is None else self._files.offer(statement.scans)
        arguments = (statement.sql, statement.parameters, scans, statement.settings)
        if request.kind is Kind.DESCRIBE:
            schema = plain_schema(self._session.describe(*arguments))
            described = Frame(Kind.SCHEMA, request.statement, body=schema.serialize())
            self._channel.send(described, Frame(Kind.DONE, request.statement))
            return
        result = self._session.execute(*arguments)
        held = [Frame(Kind.SCHEMA, request.statement, body=plain_schema(result.reader.schema).serialize())]
        for batch, last in plain_batches(result):
            self._stop_if_cancelled(request.statement)
            held.append(Frame(Kind.BATCH, request.statement, body=batch.serialize()))
            if not last:
                self._channel.send(*held)
                held.clear()
        self._channel.send(*held, Frame(Kind.DONE, request.statement, {"affected": result.affected}))

    def _stop_if_cancelled(self, statement: int) -> None:
        if self._cancelled >= statement:
            raise _cancelled()


def _cancelled() -> QueryCanceled:
    """Also for a statement that fails for want of a read that the cancel has stopped."""
    return QueryCanceled("canceling statement due to user request")


def error_frame(statement: int, error: SqlError) -> Frame:
    """ERROR with what a client may see of it."""
    control = {
        "sqlstate": error.sqlstate,
        "message": error.message[:LONGEST_MESSAGE],
        "detail": error.detail and error.detail[:LONGEST_REMARK],
        "hint": error.hint and error.hint[:LONGEST_REMARK],
        "position": error.position,
    }
    return Frame(Kind.ERROR, statement, control)


def _usage() -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024, "pid": os.getpid()}
