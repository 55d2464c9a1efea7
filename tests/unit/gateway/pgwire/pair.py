"""A client and a server `Connection` joined without a network, and connections set to a state."""

from gateway.pgwire import messages as m
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.messages import BackendMessage, FrontendMessage, ProtocolVersion
from gateway.pgwire.state import BACKEND, FRONTEND, Side, State

STARTUP = m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann"}, {})


class ConnectionPair:
    """Whatever one side sends, the other receives at once and must read as the same message."""

    def __init__(self) -> None:
        self.client = Connection(Side.CLIENT)
        self.server = Connection(Side.SERVER)

    def say(self, *messages: Message) -> None:
        """The side whose message it is sends it, and the other reads it. COPY's are the client's here."""
        for message in messages:
            from_client = isinstance(message, FrontendMessage)
            speaker, listener = (self.client, self.server) if from_client else (self.server, self.client)
            listener.receive_data(speaker.send(message))
            assert listener.next_event() == message

    def log_in(self) -> None:
        self.say(STARTUP, m.AuthenticationOk(), m.ParameterStatus("a", "b"), m.ReadyForQuery(b"I"))


def connection_in(state: State, side: Side = Side.SERVER) -> Connection:
    connection = Connection(side)
    connection.state = state
    return connection


def reader_of(message: Message, *, backend: bool) -> Connection:
    """A connection in a state in which this message can be read."""
    rows, side = (BACKEND, Side.CLIENT) if backend else (FRONTEND, Side.SERVER)
    return connection_in(next(state for state, row in rows.items() if type(message) in row), side)


def read_all(connection: Connection) -> list[Message]:
    """All whole messages that lie there, in a state where reading may go on."""
    found: list[Message] = []
    while (message := connection.next_event()) is not NEED_DATA:
        assert isinstance(message, FrontendMessage | BackendMessage)
        found.append(message)
    return found
