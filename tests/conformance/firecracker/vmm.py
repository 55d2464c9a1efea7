"""A stand-in for Firecracker where there is no KVM: its API by contract, a snapshot, a vsock socket, no VM.

It is no mock that a test could bend: every request is checked against the published description (`description`) and
the states that Firecracker keeps (`states`), by another HTTP implementation than the client's. What it stands in for
cannot run on a machine without KVM; that the real one agrees is shown on bare metal only. It runs in the jail as
the jail's user; what it asks of the files there (names, owners, modes) is what Firecracker would.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from threading import Lock, Thread
from typing import Any

from compute.guest.machine import Guest
from compute.guest.vsock import serve
from tests.conformance.firecracker import guest
from tests.conformance.firecracker.memory import PagedMemory, check_memory, map_file, write_memory
from tests.conformance.firecracker.states import Microvm, Refused

VERSION = "1.17.0"
FOREVER = 3600.0


class StandIn:
    """One VMM process. `behaviour` makes it fail on purpose: a call's ``METHOD PATH`` to ``refuse``, ``die`` or
    ``hang``; ``guest`` to ``silent``; ``vsock`` to what it answers instead of ``OK``."""

    def __init__(self, identifier: str, log: Path, behaviour: Mapping[str, str]) -> None:
        self._identifier = identifier
        self._log = log
        self._behaviour = behaviour
        self._vm = Microvm()
        self._memory: PagedMemory | None = None
        self._lock = Lock()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Mapping[str, Any] | None]:
        """The status and body of the answer; every call is logged with how it went."""
        with self._lock:
            try:
                status, answer = self._try(method, path, body)
            except Refused as refusal:
                status, answer = 400, {"fault_message": str(refusal)}
                if refusal.fatal:
                    Thread(target=_exit_soon).start()
            entry = {"vmm": self._identifier, "method": method, "path": path, "body": body, "status": status}
            with open(self._log, "a") as file:
                file.write(json.dumps(entry) + "\n")
            return status, answer

    def _try(self, method: str, path: str, body: Any) -> tuple[int, Mapping[str, Any] | None]:
        self._misbehave(method, path)
        self._vm.check(method, path, body)
        if method == "GET":
            return 200, self._get(path)
        self._carry_out(path, body)
        return 204, None

    def _misbehave(self, method: str, path: str) -> None:
        match self._behaviour.get(f"{method} {path}"):
            case "refuse":
                raise Refused(f"{path} is refused on purpose")
            case "die":
                os._exit(1)
            case "hang":
                time.sleep(FOREVER)

    def _get(self, path: str) -> Mapping[str, Any]:
        if path == "/version":
            return {"firecracker_version": VERSION}
        state = self._vm.state.value
        return {"app_name": "Firecracker", "id": self._identifier, "state": state, "vmm_version": VERSION}

    def _carry_out(self, path: str, body: Any) -> None:
        if path == "/actions":
            self._boot()
        elif path == "/snapshot/create":
            self._save(body)
        elif path == "/snapshot/load":
            self._load(body)
        elif path.startswith("/drives/"):
            self._open_drive(body)
        self._vm.apply(path, body)

    def _open_drive(self, body: Mapping[str, Any]) -> None:
        try:
            with open(_inside(body["path_on_host"]), "rb" if body["is_read_only"] else "r+b"):
                pass
        except OSError as error:
            raise Refused(f"Drive config error: {error.strerror}") from error

    def _boot(self) -> None:
        source = self._vm.configured["/boot-source"]
        with open(_inside(source["kernel_image_path"]), "rb") as kernel:
            if kernel.read(4) != b"\x7fELF":
                raise Refused("Start microvm error: Cannot load kernel due to invalid memory configuration or image")
        with open(_inside(source["initrd_path"]), "rb"):
            pass
        arguments = guest.read_arguments(source["boot_args"])
        self._run_guest(arguments, announces=True)

    def _save(self, body: Mapping[str, Any]) -> None:
        write_memory(_inside(body["mem_file_path"]), self._memory_bytes())
        _inside(body["snapshot_path"]).write_text(json.dumps(self._vm.configured))

    def _load(self, body: Mapping[str, Any]) -> None:
        """As Firecracker does, it ends if anything of a snapshot is not as it was."""
        try:
            self._vm.configured = json.loads(_inside(body["snapshot_path"]).read_text())
            for path, drive in self._vm.configured.items():
                if path.startswith("/drives/"):
                    self._open_drive(drive)
            backend = body["mem_backend"]
            memory = self._map_memory(backend["backend_type"], _inside(backend["backend_path"]))
        except (OSError, ValueError, Refused) as error:
            raise Refused(f"Load snapshot error: {error}", fatal=True) from error
        if not memory:
            raise Refused("Load snapshot error: the memory is not the snapshot's", fatal=True)
        self._vm.check_overrides(body)
        if "vsock_override" in body:
            self._vm.configured["/vsock"]["uds_path"] = body["vsock_override"]["uds_path"]
        self._run_guest(guest.read_arguments(self._vm.configured["/boot-source"]["boot_args"]), announces=False)

    def _map_memory(self, backend: str, path: Path) -> bool:
        size = self._memory_bytes()
        if backend == "File":
            return check_memory(map_file(path), size)
        self._memory = PagedMemory(path, size)
        return check_memory(self._memory.map, size)

    def _memory_bytes(self) -> int:
        return int(self._vm.configured["/machine-config"]["mem_size_mib"]) << 20

    def _run_guest(self, arguments: dict[str, Any], *, announces: bool) -> None:
        vsock = str(_inside(self._vm.configured["/vsock"]["uds_path"]))
        answer = self._behaviour.get("vsock", "").encode()
        if self._behaviour.get("guest") == "silent":
            return
        opened, listener = guest.open_guest(arguments)
        Thread(target=guest.forward, args=(guest.listen(vsock), answer), daemon=True).start()
        host = guest.call_host(vsock) if announces else None
        served = (opened, arguments["engine"], arguments["mode"], listener, host)
        Thread(target=_run_until_off, args=served, daemon=True).start()


def _inside(path: str) -> Path:
    """A path of a call: relative, since it has to mean the same in every jail."""
    if path.startswith("/") or ".." in path:
        raise Refused(f"{path} is not a plain path of the jail")
    return Path(path)


def _run_until_off(opened: Guest, engine: str, mode: str, listener: socket.socket, host: socket.socket | None) -> None:
    """A clone does not announce itself: it did so in its template."""
    if host is None:
        opened.serve(listener, mode)
    else:
        serve(opened, engine, mode, listener, host)
    guest.deliver()
    os._exit(0)


def _exit_soon() -> None:
    """After the answer has left."""
    time.sleep(0.05)
    os._exit(1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _handle(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(text) if text else None
        status, answer = self.server.stand_in.answer(self.command, self.path, body)
        content = json.dumps(answer).encode() if answer is not None else b""
        self.send_response(status)
        if content:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_PATCH = _handle

    def log_message(self, format: str, *arguments: object) -> None:
        """Standard error is nobody's."""

    def address_string(self) -> str:
        return "unix"


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, path: str, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        super().__init__(path, _Handler)


def run(identifier: str, api_socket: str, log: Path, behaviour: Mapping[str, str]) -> None:
    """In the jail, until the process is killed or its guest is over."""
    _Server(api_socket, StandIn(identifier, log, behaviour)).serve_forever()
