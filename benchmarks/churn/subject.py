"""A subject's process as the suite has it: told to run a round, and what the round cost."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.churn.lives import Lives, Order
from benchmarks.laboratory import cpu_seconds, tree_cpu_seconds
from gateway.starts import percentile
from tests.cluster.control_plane import ControlPlane
from tests.fix_cluster import Machines

AT_ONCE = 50
PODS = 300
ROUND_SECONDS = 20.0
STOP_SECONDS = 60.0
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Subject:
    """`plane` is what it burdens."""

    plane: ControlPlane
    process: "subprocess.Popen[str]"

    def churn(self) -> Mapping[str, float]:
        """A round. CPU is of the pods that it was about, and nobody's who plays their guests."""
        before, begun = self._cpu(), time.perf_counter()
        lives = Lives(**json.loads(self._ask()))
        wall, after = time.perf_counter() - begun, self._cpu()
        pods = len(lives.starts)
        return {
            "pods 1/s": pods / wall,
            "starts and stops 1/s": 2 * pods / wall,
            **_latencies("start", lives.starts),
            **_latencies("claim", lives.claims),
            **_latencies("recycle", lives.recycles),
            **{f"{whose} CPU a pod ms": (after[whose] - before[whose]) / pods * 1000 for whose in before},
            "resident MiB": psutil.Process(self.process.pid).memory_info().rss / MIB,
        }

    def _cpu(self) -> Mapping[str, float]:
        """Seconds."""
        pid = self.process.pid
        own, tree = cpu_seconds(pid), tree_cpu_seconds(pid)
        return {"own": own, "guests'": tree - own, "control plane's": _cluster_cpu(self.plane)}

    def _ask(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("round\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@contextmanager
def subject(name: str, plane: ControlPlane, machines: Machines, gateway: str) -> Iterator[Subject]:
    """Ready for its first round."""
    with tempfile.TemporaryDirectory(prefix="lakegate-subject-") as folder:
        assert machines.config.kubeconfig is not None
        order = Order(
            machines.config.kubeconfig, machines.namespace, gateway, PODS, AT_ONCE, ROUND_SECONDS, Path(folder)
        )
        command = [sys.executable, "-m", "benchmarks.churn", name, json.dumps(asdict(order), default=str)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError(f"the subject {name} did not start")
            yield Subject(plane, process)
            process.communicate(timeout=STOP_SECONDS)


def _latencies(name: str, seconds: list[float]) -> Mapping[str, float]:
    return {f"{name} p50 ms": percentile(seconds, 0.5) * 1000, f"p99 {name} ms": percentile(seconds, 0.99) * 1000}


def _cluster_cpu(plane: ControlPlane) -> float:
    return sum(cpu_seconds(each.popen.pid) for each in plane.processes.values())
