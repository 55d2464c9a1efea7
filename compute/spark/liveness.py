"""Whether a JVM still answers: one that is stopped or stuck keeps its connections, and their calls wait for ever."""

import time

import grpc

PERIOD_SECONDS = 5.0
SILENT_SECONDS = 20.0
"""Far longer than a collection of the whole heap takes."""
UNKNOWN_METHOD = "/lakegate.Liveness/Ask"
"""The server refuses it without making a session: that it does so is the answer."""


def await_silence(port: int) -> None:
    """Returns once the server on that port of the loopback has left a call unanswered for `SILENT_SECONDS`.

    A server that is gone is not silent: its process's end tells that sooner.
    """
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        ask = channel.unary_unary(UNKNOWN_METHOD)
        while True:
            try:
                ask(b"", timeout=SILENT_SECONDS)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    return
            time.sleep(PERIOD_SECONDS)
