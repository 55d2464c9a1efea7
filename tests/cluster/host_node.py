"""A node of the poorest kind: it runs pods' commands as processes of this host, one loopback address a pod.

There is no isolation, image or network here. What is real is the API server, the commands and the TLS between gateway
and guest; a real kubelet is in `kubelet`.
"""

import asyncio
import base64
import itertools
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from compute.spawners.kubernetes.api import Api, Object, Refused
from compute.spawners.kubernetes.informer import Change, Informer
from compute.spawners.kubernetes.manifests import (
    ANY_ADDRESS,
    PAIR_FOLDER,
    SCRATCH,
    SOCKET_FOLDER,
    pods_path,
    secrets_path,
)

_addresses = itertools.count(1)
NETWORK = f"127.{8 + os.getpid() % 200}"
"""Of this test run: another one beside it has its own."""
ROOT = Path(__file__).resolve().parents[2]


class HostNode:
    """Runs every pod of a namespace, until `stop`."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self.name = f"{namespace}-a"
        """Of the node that pods are bound to from now on."""
        self._informer = Informer(api, pods_path(namespace), self._on_pod)
        self._pods: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._processes: dict[str, Process] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="lakegate-node-"))

    async def start(self) -> None:
        await self._informer.start()

    async def stop(self) -> None:
        await self._informer.stop()
        for name in list(self._pods):
            self._end(name)
        await asyncio.gather(*self._ending, return_exceptions=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _on_pod(self, change: Change) -> None:
        metadata = change.object["metadata"]
        name = metadata["name"]
        if change.kind == "gone":
            self._end(name)
        elif name not in self._pods:
            self._pods[name] = asyncio.create_task(self._run(change.object))
        elif "deletionTimestamp" in metadata and name in self._processes:
            with suppress(ProcessLookupError):
                self._processes[name].terminate()

    def _end(self, name: str) -> None:
        if (running := self._pods.pop(name, None)) is not None:
            self._ending.add(running)
            running.add_done_callback(self._ending.discard)
            running.cancel()

    async def _run(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        folder = self.folder / name
        address = f"{NETWORK}.{(number := next(_addresses)) // 250}.{number % 250 + 1}"
        processes: list[Process] = []
        try:
            await self._lay_out(pod, folder)
            processes.append(channel := await self._spawn(pod["spec"]["initContainers"][0], folder, address))
            processes.append(guest := await self._spawn(pod["spec"]["containers"][0], folder, address))
            self._processes[name] = guest
            await self._bind(pod)
            await self._report(name, "Running", address, {"running": {}})
            code = await guest.wait()
            await self._report(name, "Failed" if code else "Succeeded", address, {"terminated": {"exitCode": code}})
            channel.kill()
            await self._await_deletion(name)
        finally:
            for process in processes:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            shutil.rmtree(folder, ignore_errors=True)

    async def _lay_out(self, pod: Object, folder: Path) -> None:
        for path in (PAIR_FOLDER, SOCKET_FOLDER, SCRATCH):
            (folder / path.strip("/")).mkdir(parents=True, exist_ok=True)
        volume = next(volume for volume in pod["spec"]["volumes"] if "secret" in volume)
        secret = await self._secret(volume["secret"]["secretName"])
        for name, content in secret["data"].items():
            (folder / PAIR_FOLDER.strip("/") / name).write_bytes(base64.b64decode(content))

    async def _secret(self, name: str) -> Object:
        """Once it is there: a kubelet waits for it too."""
        while True:
            try:
                return await self._api.read(secrets_path(self._namespace, name))
            except Refused as refused:
                if not refused.is_absent:
                    raise
            await asyncio.sleep(0.05)

    async def _spawn(self, container: Mapping[str, Any], folder: Path, address: str) -> Process:
        """The command with the pod's paths put below its folder, and its own address to listen on."""
        command = [sys.executable, *container["command"][1:]]
        command = [argument.replace(ANY_ADDRESS, address) for argument in command]
        for path in (PAIR_FOLDER, SOCKET_FOLDER, SCRATCH):
            command = [argument.replace(path, f"{folder}{path}") for argument in command]
        environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
        mortal = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        return await asyncio.create_subprocess_exec(*mortal, env=environment, stdin=asyncio.subprocess.DEVNULL)

    async def _bind(self, pod: Object) -> None:
        """To the one node that the pod requires, if it does, as a scheduler would."""
        if "nodeName" in pod["spec"]:
            return
        name = pod["metadata"]["name"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": _required_node(pod) or self.name},
        }
        await self._api.create(f"{pods_path(self._namespace, name)}/binding", binding)

    async def _report(self, name: str, phase: str, address: str, state: Mapping[str, Any]) -> None:
        containers = [{"name": "guest", "image": "", "imageID": "", "ready": True, "restartCount": 0, "state": state}]
        status = {
            "phase": phase,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": containers,
        }
        with suppress(Refused):
            path = f"{pods_path(self._namespace, name)}/status"
            await self._api.patch(path, [{"op": "add", "path": "/status", "value": status}])

    async def _await_deletion(self, name: str) -> None:
        """What a kubelet does when a pod that was asked to go is over."""
        while True:
            pod = await self._api.read(pods_path(self._namespace, name))
            if "deletionTimestamp" in pod["metadata"]:
                await self._api.delete(pods_path(self._namespace, name), grace_seconds=0)
                return
            await asyncio.sleep(0.05)


def _required_node(pod: Object) -> str | None:
    rule = pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    fields = [field for term in (rule or {}).get("nodeSelectorTerms", []) for field in term.get("matchFields", [])]
    return str(fields[0]["values"][0]) if fields else None
