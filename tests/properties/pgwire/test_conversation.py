"""A client and a server that say whatever comes to mind: both keep to the tables, and understand each other."""

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.pgwire import messages as m
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.errors import LocalProtocolError
from gateway.pgwire.messages import ProtocolVersion
from gateway.pgwire.state import BACKEND, DROPPED, FRONTEND, Side, State

FRONTEND_MESSAGES = [
    m.SSLRequest(),
    m.StartupMessage(ProtocolVersion(3, 2), {"user": "ann"}, {}),
    m.SASLInitialResponse("SCRAM-SHA-256", b"n,,"),
    m.SASLResponse(b"c="),
    m.PasswordMessage("x"),
    m.Query("select 1"),
    m.Parse("", "select 1", ()),
    m.Bind("", "", (), (b"1",), ()),
    m.Execute("", 0),
    m.Sync(),
    m.Flush(),
    m.CopyDone(),
    m.CopyFail("no"),
    m.CopyData(b"1"),
]
BACKEND_MESSAGES = [
    m.EncryptionResponse(b"N"),
    m.EncryptionResponse(b"S"),
    m.AuthenticationSASL(("SCRAM-SHA-256",)),
    m.AuthenticationSASLContinue(b"r="),
    m.AuthenticationCleartextPassword(),
    m.AuthenticationOk(),
    m.ParameterStatus("a", "b"),
    m.ReadyForQuery(b"I"),
    m.ParseComplete(),
    m.DataRow((b"1",)),
    m.CommandComplete("SELECT 1"),
    m.CopyInResponse(0, ()),
    m.ErrorResponse({"S": "ERROR", "V": "ERROR"}),
    m.NoticeResponse({}),
]


class Conversation(RuleBasedStateMachine):
    """The client may send ahead after the start; the server reads one message at a time, when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.client = Connection(Side.CLIENT)
        self.server = Connection(Side.SERVER)
        self.unread: list[Message] = []
        self.asked = False

    @rule(message=st.sampled_from(FRONTEND_MESSAGES))
    def client_speaks(self, message: Message) -> None:
        # No client asks for encryption twice; what the server says to one that does, the tests of the start-up show.
        assume(not (self.asked and isinstance(message, m.SSLRequest)))
        before = self.client.state
        try:
            content = self.client.send(message)
        except LocalProtocolError:
            assert type(message) not in FRONTEND.get(before, {})
            assert self.client.state is before
            return
        self.asked = self.asked or isinstance(message, m.SSLRequest)
        self.server.receive_data(content)
        self.unread.append(message)

    @rule()
    def server_reads(self) -> None:
        before = self.server.state
        if before not in FRONTEND:
            return
        message = self.server.next_event()
        if message is NEED_DATA:
            assert all(isinstance(unread, tuple(DROPPED.get(before, ()))) for unread in self.unread)
            self.unread.clear()
            return
        while self.unread[0] != message:
            assert isinstance(self.unread.pop(0), tuple(DROPPED[before]))
        self.unread.pop(0)
        assert self.server.state is FRONTEND[before][type(message)]  # type: ignore[index]

    @rule(message=st.sampled_from(BACKEND_MESSAGES))
    def server_speaks(self, message: Message) -> None:
        # A client that awaits the one byte takes nothing else: an error before encryption could be anybody's.
        assume(self.client.state is not State.NEGOTIATING or isinstance(message, m.EncryptionResponse))
        before = self.server.state
        try:
            content = self.server.send(message)
        except LocalProtocolError:
            assert type(message) not in BACKEND.get(before, {})
            assert self.server.state is before
            return
        self.client.receive_data(content)
        assert self.client.next_event() == message

    @invariant()
    def both_agree(self) -> None:
        """Before the session they are in the same state, but for what the server has not read yet."""
        if not self.unread and self.client.state is not State.OPEN:
            assert self.server.state is self.client.state


TestConversation = Conversation.TestCase
