"""Plays a script to one server over blocking sockets, and notes what it answers."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any, BinaryIO, Self

import psycopg

from gateway.auth.exchange import Continue
from gateway.auth.scram import MECHANISM, ScramClient
from gateway.pgwire import backend
from gateway.pgwire import messages as m
from gateway.pgwire.codec import HEADER_SIZE, encode
from gateway.pgwire.messages import BackendMessage
from tests.conformance.pgwire import sayings
from tests.conformance.pgwire.script import Script, Step
from tests.conformance.pgwire.transcript import END, Heard, Transcript, note
from tests.processes import until
from tests.target import Target

PATIENCE = 60.0
"""Seconds of silence after which an answer is taken as never coming."""
_DECODERS = {layout.code: layout.decode for cls, layout in backend.LAYOUTS.items() if layout.code != b"R"}
_DECODERS[b"R"] = backend.decode_authentication


class Speaker:
    """One client of a server: a socket, the key that it was given, and its part of a SCRAM dialogue."""

    def __init__(self, target: Target) -> None:
        self.key: m.BackendKeyData | None = None
        self.scram = ScramClient(target.password)
        self.challenge = b""
        self._asked_encryption = self._encrypts = False
        self._socket: socket.socket = socket.create_connection((target.host, target.port), PATIENCE)
        self._stream: BinaryIO = self._socket.makefile("rb")

    def send(self, content: bytes) -> None:
        """A server that has hung up hears nothing; what it said before is still heard."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(content)

    def ask_encryption(self, content: bytes) -> None:
        self._asked_encryption = True
        self.send(content)

    def encrypt(self) -> None:
        """Where the server has agreed to it."""
        if not self._encrypts:
            return
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)
        self._stream = self._socket.makefile("rb")

    def receive(self) -> BackendMessage | None:
        """The next message; None at the end of the connection."""
        if self._asked_encryption:
            self._asked_encryption = False
            answer = self._read(1)
            self._encrypts = answer == b"S"
            if answer in (b"S", b"N"):
                return m.EncryptionResponse(answer)
            header = answer + self._read(HEADER_SIZE - 1)
        else:
            header = self._read(HEADER_SIZE)
        if len(header) < HEADER_SIZE:
            return None
        return self._keep(_DECODERS[header[:1]](self._read(int.from_bytes(header[1:]) - 4)))

    def leave(self) -> None:
        self._stream.close()
        self._socket.close()

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except ConnectionResetError:
            return b""

    def _keep(self, message: BackendMessage) -> BackendMessage:
        if isinstance(message, m.BackendKeyData):
            self.key = message
        elif isinstance(message, m.AuthenticationSASLContinue):
            self.challenge = message.content
        return message


class Player:
    """All clients of one playing; leaving it closes them."""

    def __init__(self, target: Target, observer: psycopg.Connection) -> None:
        """`observer` sees which sessions are at work."""
        self._target = target
        self._observer = observer
        self._speakers: dict[str, Speaker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for speaker in self._speakers.values():
            speaker.leave()

    def play(self, script: Script) -> Transcript:
        """What is heard at each step. Raises TimeoutError, with the step, where nothing more is."""
        return [self._take(step) for step in script.steps]

    def _take(self, step: Step) -> list[Heard]:
        speaker = self._speakers.get(step.speaker)
        if speaker is None:
            speaker = self._speakers[step.speaker] = Speaker(self._target)
        heard: list[Heard] = []
        try:
            heard.extend(END if message is None else note(message) for message in self._act(step, speaker))
        except TimeoutError as error:
            raise TimeoutError(f"{step}: nothing more after {[str(one) for one in heard]}") from error
        return heard

    def _act(self, step: Step, speaker: Speaker) -> Iterator[BackendMessage | None]:
        """Carries out the step; gives what is heard."""
        match step.verb:
            case "login":
                yield from _log_in(step, speaker, self._target)
            case "receive":
                yield from _receive(step, speaker)
            case "encrypt":
                speaker.encrypt()
            case "close":
                speaker.leave()
            case "until":
                self._wait(step, speaker)
            case "CancelRequest":
                speaker.send(encode(self._cancel(**step.fields)))
            case "SSLRequest" | "GSSENCRequest":
                speaker.ask_encryption(sayings.say(step))
            case "SASLInitialResponse" | "SASLResponse" if not step.body:
                speaker.send(_prove(speaker, step.verb))
            case _:
                speaker.send(sayings.say(step))

    def _cancel(self, of: str, pid: str | None = None, secret: str | None = None) -> m.CancelRequest:
        key = self._speakers[of].key
        assert key is not None, f"{of} has no key yet"
        return m.CancelRequest(
            key.pid if pid is None else int(pid), key.secret if secret is None else bytes.fromhex(secret)
        )

    def _wait(self, step: Step, speaker: Speaker) -> None:
        if step.words != ("active",) or speaker.key is None:
            raise ValueError(f"{step}: one waits until a session that has begun is active")
        query, own = "SELECT state FROM pg_stat_activity WHERE pid = %s", (speaker.key.pid,)
        until(lambda: self._observer.execute(query, own).fetchone() == ("active",))


def _receive(step: Step, speaker: Speaker) -> Iterator[BackendMessage | None]:
    """Up to ReadyForQuery once, or so many times, or up to a message of a kind; never beyond the end."""
    (what,) = step.words or ("1",)
    kind, left = ("ReadyForQuery", int(what)) if what.isdecimal() else (what, 1)
    if kind != "end" and not hasattr(m, kind):
        raise ValueError(f"{step}: no message is called {kind}")
    while left:
        message = speaker.receive()
        yield message
        if message is None:
            return
        left -= type(message).__name__ == kind


def _log_in(step: Step, speaker: Speaker, target: Target) -> Iterator[BackendMessage | None]:
    fields: dict[str, Any] = dict(step.fields)
    speaker.scram = ScramClient(fields.pop("password", target.password))
    speaker.send(encode(sayings.startup(fields)))
    message: BackendMessage | None = m.AuthenticationOk()
    while message is not None and not isinstance(message, m.ReadyForQuery):
        message = speaker.receive()
        yield message
        if isinstance(message, m.AuthenticationSASL):
            speaker.send(_prove(speaker, "SASLInitialResponse"))
        elif isinstance(message, m.AuthenticationSASLContinue):
            speaker.send(_prove(speaker, "SASLResponse"))


def _prove(speaker: Speaker, verb: str) -> bytes:
    """The SCRAM message that is due, as a client that knows the password sends it."""
    first = verb == "SASLInitialResponse"
    proof = speaker.scram.exchange(b"" if first else speaker.challenge)
    assert isinstance(proof, Continue), "the server's challenge is sound"
    return encode(m.SASLInitialResponse(MECHANISM, proof.content) if first else m.SASLResponse(proof.content))
