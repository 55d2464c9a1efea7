"""``python -m compute.guest.virtual``: the guest of a microVM, which boots once and is cloned ever after.

The kernel's command line has its options; without an engine it is a trial whether machines start at all. It opens and
warms the engine, says HELLO, and is then a template; its clones speak to the host by virtio-serial or by vsock.
"""

import base64
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

from compute.engines import EngineOptions, open_engine
from compute.guest import vsock
from compute.guest.endpoint import Endpoint
from compute.guest.filesystem import ChannelFiles
from compute.guest.kernel import seal
from compute.guest.machine import Guest, Understudy
from compute.guest.ports import Port, open_port
from compute.guest.rehearsal import rehearse

OPTIONS = "lakegate.guest="
"""On the kernel's command line, before the JSON of engine and options in URL-safe Base64."""
SCRATCH = "/scratch"


def main() -> None:
    """Ends when its one conversation is over, and the machine with it: there is nothing to put in order."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    content = read_options(Path("/proc/cmdline").read_text())
    if content["engine"] is None:
        return
    files = Endpoint() if content["engine"] == "spark" else ChannelFiles()
    guest = Guest(open_engine(content["engine"], _engine_options(content, files)), seal, SCRATCH, files, remote=True)
    guest.bind_ahead()
    rehearse(Understudy(guest))
    if content["channel"] == "vsock":
        vsock.serve(guest, guest.engine, content["mode"], vsock.open_listener(), vsock.call_host())
    else:
        _serve_port(guest, emulated=content["emulated"])
    os._exit(0)


def _engine_options(content: Mapping[str, Any], files: ChannelFiles | Endpoint) -> EngineOptions:
    options = EngineOptions(**content["options"], scratch=SCRATCH, emulated=content.get("emulated", False))
    return replace(options, tables=files.address) if isinstance(files, Endpoint) else replace(options, files=files)


def _serve_port(guest: Guest, *, emulated: bool) -> None:
    """One lease. What the template says first holds for its clones: none has to wake up to say it again."""
    if emulated:
        arguments = (open_port("rehearsal"), guest)
        Thread(target=_rehearse_when_told, args=arguments, name="rehearsal", daemon=True).start()
    guest.converse(open_port("channel"))


def _rehearse_when_told(rehearsal: Port, guest: Guest) -> None:
    """The host tells a clone that it has left alone for a while, and is told when it is over."""
    order = memoryview(bytearray(1))
    if rehearsal.recv_into(order) and not guest.claimed.is_set():
        rehearse(Understudy(guest))
        rehearsal.sendall(order)


def read_options(command_line: str) -> Mapping[str, Any]:
    """Raises ValueError where they are missing or malformed."""
    for word in command_line.split():
        if word.startswith(OPTIONS):
            content: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(word.removeprefix(OPTIONS)))
            return content
    raise ValueError("the kernel's command line has no options for the guest")


if __name__ == "__main__":
    main()
