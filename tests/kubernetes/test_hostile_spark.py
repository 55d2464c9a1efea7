"""From inside Spark's pods, a driver and an executor that a stranger has taken over: no files but their workspace's."""

import asyncio
import copy
import json
import platform
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from catalog.names import TableName
from compute.spawners.kubernetes.api import Object
from compute.spawners.kubernetes.driver import CONTAINER, FOLDER, FOLDER_KEY, ROLE, TOKEN_FOLDER
from compute.spawners.kubernetes.manifests import GUEST, pods_path
from tests.fix_cluster import Machines
from tests.fix_gateway import NO_MACHINES, lake_folder, register
from tests.hostile import REFUSED
from tests.kubernetes.spark import executors, running_spark_gateway
from tests.lakes import write_table
from tests.target import Target

pytestmark = [pytest.mark.slow, pytest.mark.spark]
VICTIM = "victim"
"""A workspace beside the first one."""
BY_HANDLE = REFUSED["open_by_handle_at"][{"x86_64": 0, "aarch64": 1}[platform.machine()]]
"""The call that opens a file of a file system without a path: whoever may make it is kept by no mount."""
CREATED, DENIED, FORBIDDEN = 201, 422, 403


@pytest.fixture
def gateway(real: Machines) -> Iterator[tuple[Target, Path]]:
    """A gateway with two workspaces, of which the victim's has a table, and the folder of that."""
    password = secrets.token_urlsafe()
    with lake_folder({}, password) as data:
        table = data / "warehouse" / VICTIM / "sales" / "kept"
        table.parent.mkdir(parents=True)
        victim = replace(NO_MACHINES, data=data, admin_password=password, workspace=VICTIM)
        asyncio.run(register(victim, {TableName("sales", "kept"): write_table(table, {"id": [1, 2]})}))
        with running_spark_gateway(real, data, password, "--executors", "1:1") as target:
            yield target, table


async def test_no_other_workspaces_files(real: Machines, gateway: tuple[Target, Path]) -> None:
    target, table = gateway
    own = table.parents[2] / target.database
    use_spark(target)
    (thief,), (executor,) = await drivers(real), await executors(real)
    for pod, container in ((thief, GUEST), (executor, CONTAINER)):
        seen = json.loads(run_inside(real, pod, container, look_around(own, table)))
        assert seen["mounted"] == [str(own)]
        assert seen["beside"] == [target.database]
        assert "public" in seen["own"]
        assert set(seen["others"]) == {"FileNotFoundError"}
        assert seen["by handle"] == "Operation not permitted"
    asked = await ask_for_more(real, thief, executor)
    assert asked == [CREATED, DENIED, DENIED, DENIED, DENIED, FORBIDDEN]


def use_spark(target: Target) -> None:
    """Its driver and an executor come with it."""
    with target.connect() as connection:
        connection.execute("CREATE TABLE kept (id bigint) USING delta")
        connection.execute("INSERT INTO kept VALUES (1), (2)")
        connection.execute("SET lakegate.lane = spark")
        assert connection.execute("SELECT sum(id) FROM kept").fetchone() == (3,)


async def drivers(machines: Machines) -> Sequence[str]:
    pods = [pod["metadata"] for pod in await machines.pods()]
    return [pod["name"] for pod in pods if pod["labels"].get(ROLE) == "driver"]


def run_inside(machines: Machines, pod: str, container: str, code: str, told: str = "") -> str:
    """What it prints there, as whoever has the container runs it."""
    place = ("--namespace", machines.namespace, pod, "--container", container, "--stdin")
    return machines.plane.run("kubectl", "exec", *place, "--", "python3", "-c", dedent(code), stdin=told)


def look_around(own: Path, table: Path) -> str:
    """For the table of another, from the folder of one's own."""
    return f"""
        import ctypes, json, os
        own, table = {str(own)!r}, {str(table)!r}
        os.path.islink(own + '/link') or os.symlink(table, own + '/link')
        names = (table, own + '/../{VICTIM}', own + '/link', '/proc/1/root' + table, '/proc/self/root' + table)

        def reach(path):
            try:
                return os.listdir(path)
            except OSError as error:
                return type(error).__name__

        ctypes.CDLL(None, use_errno=True).syscall({BY_HANDLE}, os.open(own, os.O_RDONLY), 0, 0)
        mounts = [line.split()[4] for line in open('/proc/self/mountinfo')]
        print(json.dumps({{
            'mounted': [place for place in mounts if place.startswith(os.path.dirname(own))],
            'beside': os.listdir(os.path.dirname(own)),
            'own': os.listdir(own),
            'others': [reach(path) for path in names],
            'by handle': os.strerror(ctypes.get_errno()),
        }}))
    """


async def ask_for_more(machines: Machines, thief: str, executor: str) -> Sequence[int]:
    """What the API server answers where the driver asks, by its token, for another executor like the one it has, and
    for such ones with more to see."""
    model = await machines.admin.read(pods_path(machines.namespace, executor))
    kept = {name: model["metadata"][name] for name in ("labels", "ownerReferences")}
    spec = {name: value for name, value in model["spec"].items() if name != "nodeName"}
    like = {"apiVersion": "v1", "kind": "Pod", "metadata": {**kept, "name": f"{thief}-exec-9"}, "spec": spec}
    secret = {"secretKeyRef": {"name": "another-driver", "key": FOLDER_KEY}}
    pods = [
        like,
        mounting(like, {}),
        mounting(like, {"subPath": VICTIM}),
        told(like, {"value": VICTIM}),
        told(like, {"valueFrom": secret}),
        holding(like, {"hostPath": {"path": "/"}}),
    ]
    code = f"""
        import json, ssl, sys, urllib.error, urllib.request
        trusted = ssl.create_default_context(cafile='{TOKEN_FOLDER}/ca.crt')
        token = open('{TOKEN_FOLDER}/token').read()
        headers = {{'Authorization': 'Bearer ' + token, 'Content-Type': 'application/json'}}
        url = '{machines.plane.url}{pods_path(machines.namespace)}?dryRun=All'

        def create(pod):
            request = urllib.request.Request(url, json.dumps(pod).encode(), headers)
            try:
                return urllib.request.urlopen(request, context=trusted).status
            except urllib.error.HTTPError as error:
                return error.code

        print(json.dumps([create(pod) for pod in json.load(sys.stdin)]))
    """
    answers: Sequence[int] = json.loads(run_inside(machines, thief, GUEST, code, json.dumps(pods)))
    return answers


def mounting(pod: Object, part: Object) -> Object:
    """With that part of the volume."""
    changed: Any = copy.deepcopy(pod)
    (mount,) = (each for each in changed["spec"]["containers"][0]["volumeMounts"] if "subPathExpr" in each)
    del mount["subPathExpr"]
    mount |= part
    return changed


def told(pod: Object, source: Object) -> Object:
    """With that folder."""
    changed: Any = copy.deepcopy(pod)
    changed["spec"]["containers"][0]["env"].append({"name": FOLDER, **source})
    return changed


def holding(pod: Object, source: Object) -> Object:
    """With that volume."""
    changed: Any = copy.deepcopy(pod)
    (place,) = (each for each, volume in enumerate(pod["spec"]["volumes"]) if "persistentVolumeClaim" in volume)
    changed["spec"]["volumes"][place] = {"name": pod["spec"]["volumes"][place]["name"], **source}
    return changed
