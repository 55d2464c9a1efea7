"""The guest's main loop: accept, hello, identity, conversation."""

import logging
import os
import random
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Event, RLock, Thread

from catalog.errors import FeatureNotSupported, MachineLost, SqlError
from compute.engines import ENGINE_LOST, Binding, Engine
from compute.guest.channel import SEND_BUFFER_BYTES, Channel, Stream
from compute.guest.conversation import Conversation, error_frame
from compute.guest.endpoint import Endpoint
from compute.guest.filesystem import ChannelFiles
from compute.guest.objects import StoreReader
from compute.guest.reads import RemoteFiles
from compute.identity import Identity, Network
from compute.transport import PROTOCOL_VERSION, Frame, FrameError, Kind

log = logging.getLogger(__name__)


Seal = Callable[[Identity, Sequence[str]], None]
"""Closes the machine round its workspace:

mounts, root folder, privileges. Given the host's folders that the engine still needs.
"""


class Guest:
    """An engine, and the identity that it gets once.

    `files` are what its engine reads over the channel; without them it can't. A `remote` one opens none of the host's
    files itself. `bound` says that the engine has been bound already.
    """

    def __init__(
        self,
        engine: Engine,
        seal: Seal,
        scratch: str,
        files: ChannelFiles | Endpoint | None = None,
        *,
        remote: bool = False,
        bound: bool = False,
    ) -> None:
        self._engine = engine
        self._seal = seal
        self._scratch = scratch
        self._files = files
        self._remote = remote
        self._identity: Identity | None = None
        self._bound = bound
        self.claimed = Event()
        """Set when an identity arrives."""
        self._binding = RLock()  # a signal's handler runs in the thread that may hold it
        self._leases = 0
        self._retired = False

    @property
    def engine(self) -> str:
        """Its name."""
        return self._engine.name

    def bind_ahead(self) -> None:
        """Binds the engine of a remote guest while it is still a template: where its files and its scratch folder are
        is no tenant's secret then. Only the seal is left to the clone."""
        self._engine.bind(Binding("", "", b"", self._scratch))
        self._bound = True

    def serve(self, listener: socket.socket, mode: str) -> None:
        """One lease and the end (``user``), or leases until the machine is stopped (``shared``)."""
        if mode == "shared":
            self._serve_many(listener)
        else:
            self._serve_one(listener)

    def serve_until_claimed(self, listener: socket.socket) -> None:
        """One lease and the end, but a pool that leaves before it gave an identity makes room for the next."""
        while self._identity is None:
            self.converse(_accept(listener))

    def retire(self) -> None:
        """Ends the process as soon as no lease uses it. Good for a signal's handler, whatever it interrupts."""
        with self._binding:
            self._retired = True
            self._end_if_unused()

    def _end_if_unused(self) -> None:
        if self._retired and self._leases == 0:
            os._exit(0)

    def _serve_one(self, listener: socket.socket) -> None:
        connection = _accept(listener)
        listener.close()
        self.converse(connection)

    def _serve_many(self, listener: socket.socket) -> None:
        while True:
            Thread(target=self.converse, args=(_accept(listener),), name="conversation", daemon=True).start()

    def converse(self, connection: Stream) -> None:
        """One connection, from HELLO to its end."""
        channel = Channel(connection)
        try:
            channel.send(self._hello())
            if self._identify(channel):
                self._lend(channel)
        except MachineLost as error:
            log.warning("the machine ends: %s", error.message)
            os._exit(ENGINE_LOST)
        except (OSError, FrameError) as error:
            log.info("connection ends: %s", error)
        finally:
            channel.close()

    def _lend(self, channel: Channel) -> None:
        """A session of the engine, until the pool leaves."""
        with self._binding:
            self._leases += 1
        try:
            with self._reading(channel) as files:
                Conversation(channel, files).run(self._engine.open_session)
        finally:
            with self._binding:
                self._leases -= 1
                self._end_if_unused()

    def _hello(self) -> Frame:
        control = {
            "protocol": PROTOCOL_VERSION,
            "engine": self._engine.name,
            "version": self._engine.version,
            "pid": os.getpid(),
            "reads": "channel" if self._remote else "host",
        }
        return Frame(Kind.HELLO, control=control)

    def _reading(self, channel: Channel) -> AbstractContextManager[RemoteFiles | None]:
        if self._files is None:
            return nullcontext()
        network = None if self._identity is None else self._identity.network
        return self._files.serving(channel, None if network is None else StoreReader(network))

    def _identify(self, channel: Channel) -> bool:
        """Waits for IDENTITY and obeys it. Anything else before is refused and ends the connection."""
        frame = channel.receive()
        if frame is None:
            return False
        try:
            if frame.kind is not Kind.IDENTITY:
                raise FeatureNotSupported("the machine has no identity yet")
            self.claimed.set()
            self._become(_parse_identity(frame, self._scratch))
        except SqlError as error:
            channel.send(error_frame(frame.statement, error))
            return False
        channel.send(Frame(Kind.READY))
        return True

    def _become(self, identity: Identity) -> None:
        with self._binding:
            if self._identity is None:
                self._make_own(identity)
                if not self._bound:
                    self._engine.bind(identity.binding)
                self._identity = identity
            elif _place(self._identity) != _place(identity):
                raise FeatureNotSupported("the machine belongs to another workspace")

    def _make_own(self, identity: Identity) -> None:
        self._seal(identity, self._engine.folders)
        random.seed(identity.binding.seed)


class Understudy(Guest):
    """A guest for a rehearsal beside the real one: of the same engine, with an identity that gives way to the real."""

    def __init__(self, guest: Guest) -> None:
        super().__init__(guest._engine, guest._seal, guest._scratch, guest._files, remote=True, bound=True)
        self._guest = guest

    def _make_own(self, identity: Identity) -> None:
        """Not once the machine is somebody's: a rehearsal's seed is known to everybody."""
        with self._guest._binding:
            if not self._guest.claimed.is_set():
                super()._make_own(identity)


def _accept(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return connection


def _place(identity: Identity) -> tuple[str, str]:
    return identity.binding.workspace, identity.binding.warehouse


def _parse_identity(frame: Frame, scratch: str) -> Identity:
    control = frame.control
    try:
        binding = Binding(control["workspace"], control["warehouse"], bytes.fromhex(control["seed"]), scratch)
        network = control.get("network") and Network(**control["network"])
        return Identity(str(control["hostname"]), int(control["time_ns"]), binding, network)
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError("malformed identity") from error
