"""One example or more of every message, with its bytes written out by hand after the protocol's documentation."""

from gateway.pgwire import messages as m
from gateway.pgwire.messages import BackendMessage, FieldDescription, FrontendMessage, ProtocolVersion

PACKETS: list[tuple[FrontendMessage, bytes]] = [
    (m.SSLRequest(), b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),
    (m.GSSENCRequest(), b"\x00\x00\x00\x08\x04\xd2\x16\x30"),
    (m.CancelRequest(7, b"abcd"), b"\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x07abcd"),
    (m.CancelRequest(-1, b"k" * 256), b"\x00\x00\x01\x0c\x04\xd2\x16\x2e\xff\xff\xff\xff" + b"k" * 256),
    (
        m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann", "database": "démo"}, {}),
        b"\x00\x00\x00\x21\x00\x03\x00\x00user\0ann\0database\0d\xc3\xa9mo\0\0",
    ),
    (
        m.StartupMessage(ProtocolVersion(3, 9999), {"user": "ann"}, {"_pq_.new": "1"}),
        b"\x00\x00\x00\x1d\x00\x03\x27\x0fuser\0ann\0_pq_.new\x001\0\0",
    ),
]

FRONTEND: list[tuple[FrontendMessage, bytes]] = [
    (m.PasswordMessage("open"), b"p\x00\x00\x00\x09open\0"),
    (m.SASLInitialResponse("SCRAM", b"n,,"), b"p\x00\x00\x00\x11SCRAM\0\x00\x00\x00\x03n,,"),
    (m.SASLInitialResponse("SCRAM", None), b"p\x00\x00\x00\x0eSCRAM\0\xff\xff\xff\xff"),
    (m.SASLResponse(b"c=biws"), b"p\x00\x00\x00\x0ac=biws"),
    (m.Query("select 'é'"), b"Q\x00\x00\x00\x10select '\xc3\xa9'\0"),
    (m.Parse("s", "select $1", (23, 0)), b"P\x00\x00\x00\x1as\0select $1\0\x00\x02\x00\x00\x00\x17\x00\x00\x00\x00"),
    (m.Bind("", "s", (), (), ()), b"B\x00\x00\x00\x0d\0s\0\x00\x00\x00\x00\x00\x00"),
    (
        m.Bind("p", "s", (0, 1), (b"x", None), (1,)),
        b"B\x00\x00\x00\x1dp\0s\0\x00\x02\x00\x00\x00\x01\x00\x02\x00\x00\x00\x01x\xff\xff\xff\xff\x00\x01\x00\x01",
    ),
    (m.Describe("S", "s"), b"D\x00\x00\x00\x07Ss\0"),
    (m.Describe("P", ""), b"D\x00\x00\x00\x06P\0"),
    (m.Execute("p", 100), b"E\x00\x00\x00\x0ap\0\x00\x00\x00\x64"),
    (m.Execute("", -1), b"E\x00\x00\x00\x09\0\xff\xff\xff\xff"),
    (m.Close("P", "p"), b"C\x00\x00\x00\x07Pp\0"),
    (m.Sync(), b"S\x00\x00\x00\x04"),
    (m.Flush(), b"H\x00\x00\x00\x04"),
    (m.FunctionCall(1598, b"\0\0"), b"F\x00\x00\x00\x0a\x00\x00\x06\x3e\0\0"),
    (m.Terminate(), b"X\x00\x00\x00\x04"),
    (m.CopyData(b"1\t2\n"), b"d\x00\x00\x00\x081\t2\n"),
    (m.CopyDone(), b"c\x00\x00\x00\x04"),
    (m.CopyFail("stop"), b"f\x00\x00\x00\x09stop\0"),
]

BACKEND: list[tuple[BackendMessage, bytes]] = [
    (m.EncryptionResponse(b"N"), b"N"),
    (m.AuthenticationOk(), b"R\x00\x00\x00\x08\x00\x00\x00\x00"),
    (m.AuthenticationCleartextPassword(), b"R\x00\x00\x00\x08\x00\x00\x00\x03"),
    (m.AuthenticationSASL(("A", "B")), b"R\x00\x00\x00\x0d\x00\x00\x00\x0aA\0B\0\0"),
    (m.AuthenticationSASLContinue(b"r=1"), b"R\x00\x00\x00\x0b\x00\x00\x00\x0br=1"),
    (m.AuthenticationSASLFinal(b"v=1"), b"R\x00\x00\x00\x0b\x00\x00\x00\x0cv=1"),
    (
        m.NegotiateProtocolVersion(ProtocolVersion(3, 2), ("_pq_.a",)),
        b"v\x00\x00\x00\x13\x00\x03\x00\x02\x00\x00\x00\x01_pq_.a\0",
    ),
    (m.BackendKeyData(7, b"abcd"), b"K\x00\x00\x00\x0c\x00\x00\x00\x07abcd"),
    (m.ParameterStatus("a", "b"), b"S\x00\x00\x00\x08a\0b\0"),
    (
        m.RowDescription((FieldDescription("n", 1700, -1, 7, 1, 16384, 2),)),
        b"T\x00\x00\x00\x1a\x00\x01n\0\x00\x00\x40\x00\x00\x02\x00\x00\x06\xa4\xff\xff\x00\x00\x00\x07\x00\x01",
    ),
    (m.ParameterDescription((23,)), b"t\x00\x00\x00\x0a\x00\x01\x00\x00\x00\x17"),
    (m.DataRow((b"1", None, b"")), b"D\x00\x00\x00\x13\x00\x03\x00\x00\x00\x011\xff\xff\xff\xff\x00\x00\x00\x00"),
    (m.CommandComplete("SELECT 1"), b"C\x00\x00\x00\x0dSELECT 1\0"),
    (m.EmptyQueryResponse(), b"I\x00\x00\x00\x04"),
    (m.PortalSuspended(), b"s\x00\x00\x00\x04"),
    (m.ParseComplete(), b"1\x00\x00\x00\x04"),
    (m.BindComplete(), b"2\x00\x00\x00\x04"),
    (m.CloseComplete(), b"3\x00\x00\x00\x04"),
    (m.NoData(), b"n\x00\x00\x00\x04"),
    (m.ErrorResponse({"S": "ERROR", "C": "42601"}), b"E\x00\x00\x00\x13SERROR\0C42601\0\0"),
    (m.NoticeResponse({"M": "hm"}), b"N\x00\x00\x00\x09Mhm\0\0"),
    (m.NotificationResponse(7, "c", "p"), b"A\x00\x00\x00\x0c\x00\x00\x00\x07c\0p\0"),
    (m.FunctionCallResponse(None), b"V\x00\x00\x00\x08\xff\xff\xff\xff"),
    (m.ReadyForQuery(b"T"), b"Z\x00\x00\x00\x05T"),
    (m.CopyInResponse(1, (1, 0)), b"G\x00\x00\x00\x0b\x01\x00\x02\x00\x01\x00\x00"),
    (m.CopyOutResponse(0, (0,)), b"H\x00\x00\x00\x09\x00\x00\x01\x00\x00"),
    (m.CopyData(b"row"), b"d\x00\x00\x00\x07row"),
    (m.CopyDone(), b"c\x00\x00\x00\x04"),
]
