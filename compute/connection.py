"""The pool's end of one connection to a guest: frames in and out on the event loop, memory bounded.

Received batches wait in a queue. Above `READ_AHEAD_BYTES` the socket is not read, which blocks the guest's send and so
pauses the engine. READs never wait behind batches: they go to who answers them as they come. A guest that owes a frame
is asked for signs of life, once it is watched (`pulse`).
"""

import asyncio
import logging
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, cast

from catalog.errors import MachineLost
from compute.allowance import BODIES
from compute.inspection import MAX_SCHEMA_BYTES
from compute.pulse import Pulse
from compute.transport import MAX_BODY, Bound, Decoder, Frame, FrameError, Kind, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

READ_AHEAD_BYTES = 4 << 20
FRAMES_A_TURN = 256
"""Frames of one guest that are parsed at once: about a millisecond of the event loop's time."""
LONGEST_ERROR = 160 << 10
BOUNDS: "Mapping[int, Bound]" = {
    Kind.HELLO: Bound(control=4 << 10),
    Kind.SCHEMA: Bound(body=MAX_SCHEMA_BYTES),
    Kind.BATCH: Bound(body=MAX_BODY),
    Kind.DONE: Bound(control=4 << 10),
    Kind.STATS: Bound(control=4 << 10),
    Kind.READ: Bound(control=4 << 10),
    Kind.LINK: Bound(control=4 << 10),
    Kind.ERROR: Bound(control=LONGEST_ERROR),
}
"""Of what a guest says: controls are parsed on the event loop, and only rows and their schema are long. Only the pool
has much to say."""
LIFE_BYTES = 1 << 20
"""What must come of a body in each period to be a sign of life, until it is whole."""
log = logging.getLogger(__name__)


class Connection(asyncio.BufferedProtocol):
    """One reader at a time. Once lost, every call raises MachineLost."""

    def __init__(self) -> None:
        self._decoder = Decoder(BOUNDS)
        self._unparsed: Iterator[Frame] | None = None
        self._frames: deque[Frame] = deque()
        self._pongs_owed = 0
        self._queued = self._unheard = 0
        self._full = self._paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._arrived: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._pulse: Pulse | None = None
        self.lost = False
        self.on_read: Callable[[Frame], None] = _refuse_read

    @property
    def read_ahead(self) -> int:
        """Bytes that have come and were not yet received, those of a body that is not whole among them."""
        return self._queued + self._decoder.begun

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def watch(self, on_silence: "Callable[[], None]") -> None:
        """From now on nobody waits for a guest that gives no sign of life: the connection is lost, `on_silence` called.

        Not before READY: only then can the guest hear.
        """

        def give_up() -> None:
            log.warning("a guest is silent and is given up")
            self.abort()
            on_silence()

        self._pulse = Pulse(lambda: self._arrived is not None, self._ping, give_up)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._decoder.writable()

    def buffer_updated(self, nbytes: int) -> None:
        """Queues the frames that have become whole. A peer that sends what is no frame is left."""
        self._unparsed = self._decoder.wrote(nbytes)
        self._unheard += nbytes
        self._parse()

    def _parse(self) -> None:
        """Some of what was read; the rest in the loop's next turn, before which nothing more is read."""
        if self.lost or self._unparsed is None:
            return
        try:
            frames = list(islice(self._unparsed, FRAMES_A_TURN))
            kept = [frame for frame in frames if not self._is_aside(frame)]
        except FrameError as error:
            self.expel(str(error))
            return
        if len(frames) < FRAMES_A_TURN:
            self._unparsed = None
        else:
            asyncio.get_running_loop().call_soon(self._parse)
        if frames or self._unheard >= LIFE_BYTES:
            self._hear()
        self._frames += kept
        self._queued += sum(frame.weight for frame in kept)
        self._pause_or_resume()
        if kept:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of all that refers back here: else memory would wait for the collector, thousands of lives long."""
        self._lose()
        self._transport, self.on_read = None, _refuse_read
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        """Closes without a word, and lets go of all that has come. The guest sees the end and stops what it runs."""
        self._frames.clear()
        self._queued = 0
        self._lose()
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def expel(self, why: str) -> None:
        """Aborts the connection of a guest that does what it should not."""
        log.warning("a guest is left: %s", why)
        self.abort()

    def send(self, frame: Frame) -> None:
        """Raises MachineLost."""
        if self.lost or self._transport is None:
            raise machine_lost()
        for piece in encode(frame):
            self._transport.write(piece)

    async def drain(self) -> None:
        """Returns once the guest has taken most of what was sent, or is lost."""
        await self._writable.wait()

    async def receive(self) -> Frame:
        """The next frame. Frames that came before the connection was lost still come. Raises MachineLost."""
        while not self._frames:
            if self.lost:
                raise machine_lost()
            self._arrived = asyncio.get_running_loop().create_future()
            if self._pulse is not None:
                self._pulse.feel()
            try:
                await self._arrived
            finally:
                self._arrived = None
        frame = self._frames.popleft()
        self._queued -= frame.weight
        self._pause_or_resume()
        return frame

    async def expect(self, kind: Kind) -> Frame:
        """The next frame, which must be of that kind. Raises MachineLost."""
        frame = await self.receive()
        if frame.kind is not kind:
            self.abort()
            raise machine_lost()
        return frame

    def _ping(self) -> None:
        self._pongs_owed += 1
        self.send(Frame(Kind.PING))

    def _is_aside(self, frame: Frame) -> bool:
        """Answers a READ or LINK; a PONG that was asked for has been heard. Raises FrameError."""
        match frame.kind:
            case Kind.READ | Kind.LINK:
                self.on_read(frame)
            case Kind.PONG if self._pongs_owed:
                self._pongs_owed -= 1
            case Kind.PONG:
                raise FrameError("a sign of life that nobody asked for")
            case _:
                return False
        return True

    def _lose(self) -> None:
        self.lost = True
        self._unparsed = None
        self._decoder.drop()
        BODIES.note(self, self._queued)
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def _hear(self) -> None:
        self._unheard = 0
        if self._pulse is not None:
            self._pulse.hear()

    def _pause_or_resume(self) -> None:
        """A body that is not whole is waited for, however long it is, once all before it was received."""
        BODIES.note(self, self._queued + self._decoder.announced)
        if self._transport is None or self.lost:
            return
        most = READ_AHEAD_BYTES // 2 if self._full else READ_AHEAD_BYTES
        self._full = bool(self._frames) and self.read_ahead > most
        pauses = self._full or self._unparsed is not None
        if pauses and not self._paused:
            self._transport.pause_reading()
        elif self._paused and not pauses:
            self._transport.resume_reading()
        self._paused = pauses


def _refuse_read(_frame: Frame) -> None:
    raise FrameError("it may not read files")


def machine_lost() -> MachineLost:
    return MachineLost("the machine running the statement was lost", hint="run the statement again")


async def connect(address: str) -> Connection:
    """Raises OSError."""
    _, connection = await asyncio.get_running_loop().create_unix_connection(Connection, address)
    return connection
