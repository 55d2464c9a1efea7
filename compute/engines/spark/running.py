"""One statement on its way: a thread drains the server into an overflow, the session's thread reads that."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from catalog.errors import QueryCanceled
from compute.engines.spark.errors import translated
from compute.engines.spark.overflow import Overflow
from compute.engines.spark.sweeper import Sweeper
from compute.spark.client import ConnectError, Execution

OVERFLOW_MEMORY = 32 << 20
logger = logging.getLogger(__name__)


class Running:
    """A statement that the server has been asked to run. `cancel` may come from any thread."""

    def __init__(self, execution: Execution, scratch: Path, sweeper: Sweeper) -> None:
        self._execution = execution
        self._sweeper = sweeper
        self._lock = threading.Lock()
        self._closed = False
        self._overflow = Overflow(scratch / "tmp", OVERFLOW_MEMORY)
        self._canceled = False
        self._thread = threading.Thread(target=self._overflow.fill, args=(execution,), name="spark-drain", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The batches. Raises ConnectError, QueryCanceled."""
        try:
            yield from self._overflow
        except ConnectError as error:
            if self._canceled and not error.lost:
                raise QueryCanceled("canceling statement due to user request") from None
            raise

    def cancel(self) -> None:
        """Interrupts the statement in the server. A server that cannot be asked ends it by its own failure."""
        with self._lock:
            if self._closed:
                return
            if not self._canceled:
                self._canceled = True
                self._sweeper.add(self._execution)
        try:
            self._execution.cancel()
        except ConnectError as error:
            logger.info("spark did not take a cancel: %s", error)

    def close(self) -> None:
        """Ends the statement whatever its state. Idempotent."""
        self._overflow.close()
        if self._thread.is_alive():
            self.cancel()
        with self._lock:
            self._closed = True
        self._execution.abandon()
        self._thread.join()

    def reader(self) -> pa.RecordBatchReader:
        """The batches as a reader, once the first has come. Raises SqlError, and so does the reader."""
        batches = iter(self)
        first = next(batches)

        def all_batches() -> Iterator[pa.RecordBatch]:
            with translated():
                yield first
                yield from batches

        return pa.RecordBatchReader.from_batches(first.schema, all_batches())
