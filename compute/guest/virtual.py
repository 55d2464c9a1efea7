"""``python -m compute.guest.virtual``: the guest of a microVM, which boots once and is cloned ever after.

The kernel's command line has its options; without an engine it is a trial whether machines start at all. It opens and
warms the engine, says so, and is then a template; its clones speak to the host by virtio-serial or by vsock.
"""

import base64
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compute.engines import EngineOptions, open_engine
from compute.guest import vsock
from compute.guest.endpoint import Endpoint
from compute.guest.kernel import seal
from compute.guest.machine import Guest
from compute.guest.ports import open_port

OPTIONS = "lakegate.guest="
"""On the kernel's command line, before the JSON of engine and options in URL-safe Base64."""
WARM = b"w"
SCRATCH = "/scratch"


def main() -> None:
    """Ends when its one conversation is over, and the machine with it: there is nothing to put in order."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    content = read_options(Path("/proc/cmdline").read_text())
    if content["engine"] is None:
        return
    engine = open_engine(content["engine"], EngineOptions(**content["options"], scratch=SCRATCH, remote=True))
    guest = Guest(engine, seal, SCRATCH, Endpoint())
    if content.get("channel") == "vsock":
        vsock.serve(guest, engine.name, content["mode"], vsock.open_listener(), vsock.call_host())
    else:
        _serve_port(guest)
    os._exit(0)


def _serve_port(guest: Guest) -> None:
    """One lease. Says that it is warm on the port ``template`` and waits there: only a clone is told to go on."""
    template, channel = open_port("template"), open_port("channel")
    template.sendall(WARM)
    if template.recv_into(memoryview(bytearray(1))):
        guest.converse(channel)


def read_options(command_line: str) -> Mapping[str, Any]:
    """Raises ValueError where they are missing or malformed."""
    for word in command_line.split():
        if word.startswith(OPTIONS):
            content: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(word.removeprefix(OPTIONS)))
            return content
    raise ValueError("the kernel's command line has no options for the guest")


if __name__ == "__main__":
    main()
