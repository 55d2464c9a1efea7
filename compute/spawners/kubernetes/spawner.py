"""Starts machines as pods, keeps an eye on them, and leaves none behind."""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from compute.config import MachineSpec, Room
from compute.events import NodeEvent
from compute.spawners import ADOPTION_SECONDS, CannotStart, Isolation, Machine
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.api import Api, Object, Refused
from compute.spawners.kubernetes.config import KubernetesConfig
from compute.spawners.kubernetes.driver import companions, driver_pod
from compute.spawners.kubernetes.estate import Estate, footprint
from compute.spawners.kubernetes.heartbeat import Heartbeat, Superseded
from compute.spawners.kubernetes.informer import Change, Informer
from compute.spawners.kubernetes.machine import KILLED, PodMachine
from compute.spawners.kubernetes.manifests import (
    GUEST_UID,
    Manifest,
    guest_pod,
    pods_path,
)
from compute.spawners.kubernetes.nodes import is_leaving, is_lost
from compute.spawners.kubernetes.pairs import Pairs
from compute.spawners.kubernetes.sweep import Sweep

NODES = "/api/v1/nodes"
GRACE_SECONDS = 1
"""A guest ends by itself when its connection does. This is for one that does not."""
FIRST_BACKOFF_SECONDS = 0.2
LAST_BACKOFF_SECONDS = 10.0
STOP_SECONDS = 15.0
CLOSE_SECONDS = 20.0
log = logging.getLogger(__name__)


class KubernetesSpawner:
    """Machines in one namespace of one cluster, under this gateway's name."""

    def __init__(self, config: KubernetesConfig) -> None:
        self._config = config
        self.instance = secrets.token_hex(8)
        self._machines: dict[str, PodMachine] = {}
        self._adoptable: dict[str, dict[str, Object]] = defaultdict(dict)
        self._leaving_nodes: set[str] = set()
        self._node_of: dict[str, str] = {}
        self._estate = Estate(config.node_types.values() if config.packs_nodes else (), config.gateway)
        self._tasks: set[asyncio.Task[None]] = set()
        self._api: Api | None = None
        self._informers: list[Informer] = []
        self._heartbeat: Heartbeat | None = None
        self._pairs: Pairs | None = None
        self._beating = asyncio.Lock()
        self._lost: str | None = None
        self._told: list[Callable[[str], None]] = []

    async def open(self) -> Isolation:
        """Takes the gateway's name, and what is left of its earlier instances. Raises CannotStart."""
        config = self._config
        try:
            api = self._api = await Api.connect(config.kubeconfig)
            heartbeat = self._heartbeat = Heartbeat(
                api, config.namespace, config.gateway, self.instance, config.heartbeat_seconds
            )
            await heartbeat.begin()
            self._pairs = Pairs(api, config, heartbeat)
            await self._pairs.keep()
            await self._watch(api)
        except (Refused, OSError) as error:
            raise CannotStart(f"no machines in namespace {config.namespace}: {error}") from error
        self._run(self._stay_alive(heartbeat))
        self._run(Sweep(api, config.namespace, config.gateway, heartbeat.pause_seconds).run())
        return Isolation("namespaces", guest_uid=GUEST_UID if config.spark.claim else None)

    async def start(self, spec: MachineSpec) -> Machine:
        """Adopts a warm pod of an earlier instance, else creates one; returns once its guest runs. Raises CannotStart.

        A caller that goes away leaves no pod.
        """
        if self._lost is not None:
            raise CannotStart(self._lost)
        template = ownership.template_key(spec, self._config)
        machine = await self._adopt(spec, template) or await self._create(spec, template)
        try:
            await machine.started()
        except BaseException:
            log.warning("%s did not start: %s", machine.name, machine.waits_for)
            self._run(self._delete(machine))
            raise
        if machine.ended.done():
            self._run(self._delete(machine))
            raise CannotStart(f"{machine.name} ended while it started: {machine.waits_for}")
        return machine

    def footprint(self, spec: MachineSpec) -> Room:
        """What its pod takes of a node, whatever its workspace. Raises CannotStart for executors of a node type that
        nobody has described."""
        placed = replace(spec, placement=replace(spec.placement, workspace="any"))
        return footprint(self._manifest("", placed, {}, {}))

    def watch_nodes(self, tell: Callable[[NodeEvent], None]) -> None:
        self._estate.watch(tell)

    def watch_name(self, tell: Callable[[str], None]) -> None:
        self._told.append(tell)

    async def poll(self, machine: Machine) -> int | None:
        return machine.ended.result() if machine.ended.done() else None

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        """Deletes the pod. Nothing in it needs saving: `now` makes no difference.

        An API server that does not answer is not waited for: the machine is over for us, its pod is deleted later.
        """
        if (known := self._machines.get(machine.name)) is not None:
            self._run(self._delete(known))
            await asyncio.wait([machine.ended], timeout=STOP_SECONDS)
            known.end(KILLED)

    async def close(self) -> None:
        """Deletes all pods and gives the name back. What an API server that is gone keeps us from, others do later."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(self.stop(machine) for machine in list(self._machines.values())))
                async with self._beating:
                    if self._heartbeat is not None and self._heartbeat.uid:
                        await self._heartbeat.end()
        except (Refused, OSError) as error:
            log.warning("pods may be left for other gateways to delete: %r", error)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for informer in self._informers:
            await informer.stop()
        for machine in self._machines.values():
            machine.end(KILLED)
        if self._api is not None:
            await self._api.close()
            self._api = None

    async def _watch(self, api: Api) -> None:
        """First what exists, then every change. Leaving nodes are known before the pods on them."""
        pods = pods_path(self._config.namespace)
        nodes = Informer(api, NODES, self._on_node)
        mine = Informer(api, pods, self._on_pod, labels=ownership.selector(self._config.gateway))
        for informer in (nodes, mine):
            await informer.start()
            self._informers.append(informer)

    async def _adopt(self, spec: MachineSpec, template: str) -> PodMachine | None:
        waiting = self._adoptable[template]
        while waiting:
            name, pod = waiting.popitem()
            machine = self._machines[name] = self._machine(name, is_pinned=spec.placement.node is not None)
            taking = asyncio.ensure_future(self._take_over(machine, spec, pod))
            try:
                if await asyncio.shield(taking):
                    return machine
            except asyncio.CancelledError:
                self._run(self._give_up(machine, taking))
                raise
            if name in waiting:
                return None  # whatever kept it from us keeps the others
        return None

    async def _take_over(self, machine: PodMachine, spec: MachineSpec, pod: Object) -> bool:
        """Whether it is ours now. One that may be some other time waits on, unless it is gone meanwhile."""
        path = pods_path(self._config.namespace, machine.name)
        former = pod["metadata"]["labels"][ownership.INSTANCE]
        try:
            if not await self._beat():
                raise OSError("it may be a later instance's")
            await self._accompany(spec, pod)
            machine.observe(await self._reach().patch(path, ownership.adoption(self.instance, former)))
        except (Refused, OSError) as error:
            log.info("%s is not adopted: %s", machine.name, error)
            is_lost = isinstance(error, Refused) and (error.is_absent or error.conflicts)
            waits_on = machine.name in self._machines and not is_lost
            self._forget(machine.name)
            if waits_on:
                self._find_left_over(machine.name, pod)
            return False
        return True

    async def _give_up(self, machine: PodMachine, taking: asyncio.Task[bool]) -> None:
        """Once it is known whose it is: a pod that is another's is left to it."""
        if await taking:
            await self._delete(machine)

    async def _create(self, spec: MachineSpec, template: str) -> PodMachine:
        assert self._heartbeat is not None, "open comes before start"
        config = self._config
        name = f"{config.gateway}-{spec.engine}-{secrets.token_hex(5)}"
        machine = self._machines[name] = self._machine(name, is_pinned=spec.placement.node is not None)
        labels = ownership.labels(config.gateway, self.instance, template)
        manifest = self._manifest(name, spec, labels, self._heartbeat.reference)
        try:
            pod = await self._reach().create(pods_path(config.namespace), manifest)
            await self._accompany(spec, pod)
        except Refused as refused:
            self._run(self._delete(machine))
            raise CannotStart(f"the cluster takes no pod: {refused}") from refused
        except BaseException as error:
            self._run(self._delete(machine))
            if isinstance(error, OSError):
                raise CannotStart(str(error)) from error
            raise
        return machine

    async def _accompany(self, spec: MachineSpec, pod: Object) -> None:
        """Gives a pod what it needs beside it: all of it or the rest, where its creator was killed on the way."""
        for path, companion in companions(self._config, pod, spec.placement.workspace) if spec.executors else ():
            try:
                await self._reach().create(path, companion)
            except Refused as refused:
                if refused.reason != "AlreadyExists":
                    raise

    def _manifest(self, name: str, spec: MachineSpec, labels: Mapping[str, str], owner: Object) -> Manifest:
        make_pod = driver_pod if spec.executors else guest_pod
        return make_pod(self._config, name, spec, labels, owner)

    def _machine(self, name: str, *, is_pinned: bool) -> PodMachine:
        pairs = self._pairs
        assert pairs is not None, "open comes before start"
        return PodMachine(name, lambda: pairs.contexts, self._claim, self._vacate, is_pinned=is_pinned)

    async def _claim(self, machine: PodMachine) -> bool:
        """A pod that is another's by now is left to it."""
        try:
            await self._reach().patch(pods_path(self._config.namespace, machine.name), ownership.claim(self.instance))
        except (Refused, OSError) as error:
            log.warning("%s could not be claimed: %s", machine.name, error)
            if isinstance(error, Refused) and error.conflicts:
                self._forget(machine.name)
            return False
        return True

    def _vacate(self, machine: PodMachine) -> None:
        self._run(self._delete(machine))

    async def _delete(self, machine: PodMachine) -> None:
        """Until the API server has taken it: a pod that nobody remembers would run on."""
        machine.dismiss()
        await self._delete_pod(machine.name)
        if machine.name not in self._node_of:
            self._forget(machine.name)

    async def _delete_pod(self, name: str, grace_seconds: int = GRACE_SECONDS) -> None:
        pause = FIRST_BACKOFF_SECONDS
        while True:
            try:
                await self._reach().delete(pods_path(self._config.namespace, name), grace_seconds=grace_seconds)
            except (Refused, OSError) as error:
                log.warning("%s is not deleted yet: %s", name, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_BACKOFF_SECONDS)
            else:
                return

    def _on_pod(self, change: Change) -> None:
        pod = change.object
        name = pod["metadata"]["name"]
        if change.kind == "gone":
            self._forget(name)
            for adoptable in self._adoptable.values():
                adoptable.pop(name, None)
            return
        machine = self._machines.get(name)
        if machine is None:
            self._find_left_over(name, pod)
            return
        machine.observe(pod)
        if name not in self._machines:
            return
        if machine.ended.done() and not machine.is_closing:
            self._run(self._delete(machine))
        node = self._node_of[name] = pod["spec"].get("nodeName", "")
        if node in self._leaving_nodes:
            machine.leave(f"its node {node} goes")

    def _find_left_over(self, name: str, pod: Object) -> None:
        """A pod of an earlier instance: to be adopted while it is warm and sound, else to be deleted.

        So is one of our own whose start was given up before the API server had it.
        """
        if "deletionTimestamp" in pod["metadata"] or self._lost is not None:
            return
        labels = pod["metadata"]["labels"]
        unused = labels.get(ownership.STATE) == ownership.WARM and labels.get(ownership.INSTANCE) != self.instance
        sound = pod.get("status", {}).get("phase") in ("Running", "Pending")
        leaving = pod["spec"].get("nodeName") in self._leaving_nodes
        template = labels.get(ownership.TEMPLATE, "")
        adoptable = self._adoptable[template]
        if unused and sound and not leaving:
            if name not in adoptable:
                self._run(self._outlast(name, template))
            adoptable[name] = pod
        else:
            adoptable.pop(name, None)
            self._run(self._reap(name))

    async def _outlast(self, name: str, template: str) -> None:
        await asyncio.sleep(ADOPTION_SECONDS)
        if self._adoptable[template].pop(name, None) is not None:
            await self._reap(name)

    async def _reap(self, name: str) -> None:
        """A later instance's pod looks like one that an earlier one left: first we make sure that the name is ours."""
        while self._lost is None:
            if await self._beat():
                await self._delete_pod(name)
                return
            await asyncio.sleep(LAST_BACKOFF_SECONDS)

    def _on_node(self, change: Change) -> None:
        node, name = change.object, change.object["metadata"]["name"]
        if change.kind == "gone":
            self._estate.lose(name)
            self._leaving_nodes.discard(name)
            self._lose_node(name)
            return
        self._estate.see(node)
        if is_lost(node):
            self._leaving_nodes.add(name)
            self._lose_node(name)
        elif is_leaving(node):
            self._leaving_nodes.add(name)
            for pod in self._pods_on(name):
                self._machines[pod].leave(f"its node {name} goes")
        else:
            self._leaving_nodes.discard(name)

    def _pods_on(self, node: str) -> list[str]:
        return [pod for pod, place in self._node_of.items() if place == node]

    def _lose_node(self, node: str) -> None:
        for pod in self._pods_on(node):
            log.warning("%s is lost with its node %s", pod, node)
            self._forget(pod)
            self._run(self._delete_pod(pod, grace_seconds=0))

    def _forget(self, name: str) -> None:
        self._node_of.pop(name, None)
        if (machine := self._machines.pop(name, None)) is not None:
            machine.end(KILLED)

    async def _stay_alive(self, heartbeat: Heartbeat) -> None:
        while self._lost is None:
            await asyncio.sleep(heartbeat.pause_seconds)
            await self._beat()

    async def _beat(self) -> bool:
        """A sign of life, and a look after what belongs to it. Whether the name is ours at this moment."""
        assert self._heartbeat is not None, "open comes before start"
        assert self._pairs is not None, "open comes before start"
        async with self._beating:
            try:
                await self._heartbeat.renew()
                await self._pairs.keep()
            except Superseded as error:
                self._let_go(str(error))
            except (Refused, OSError) as error:
                log.warning("no sign of life could be given: %s", error)
            else:
                return True
        return False

    def _let_go(self, reason: str) -> None:
        """What is ours by name is another's now: nothing is started or deleted any more."""
        if self._lost is None:
            self._lost = reason
            log.error("%s: its machines are no longer ours", reason)
            for name in list(self._machines):
                self._forget(name)
            for tell in self._told:
                tell(reason)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reach(self) -> Api:
        assert self._api is not None, "open comes before start"
        return self._api
