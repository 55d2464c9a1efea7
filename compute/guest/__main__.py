"""``python -m compute.guest FD JSON``:

a guest that opens its engine itself, in a process that is already in its namespaces.
"""

import json
import logging
import socket
import sys

from compute.engines import EngineOptions, open_engine
from compute.guest.machine import Guest
from compute.sandbox.recipe import Sandbox


def main() -> None:
    """Opens and warms the engine, then serves; HELLO waits until then."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    listener = socket.socket(fileno=int(sys.argv[1]))
    content = json.loads(sys.argv[2])
    sandbox = Sandbox(**content["sandbox"])
    uid = sandbox.uid if sandbox.isolated else None
    options = EngineOptions(**content["options"], scratch=sandbox.scratch, uid=uid, confine=sandbox.confine_program)
    guest = Guest(open_engine(content["engine"], options), sandbox.seal, sandbox.scratch)
    guest.serve(listener, content["mode"])


if __name__ == "__main__":
    main()
