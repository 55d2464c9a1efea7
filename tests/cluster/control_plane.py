"""The control plane's processes: etcd and the API server, and on request what schedules, controls and pretends."""

import json
import secrets
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.cluster.certificates import Authority, make_signing_key
from tests.fix_oracle import free_port
from tests.processes import until

START_SECONDS = 600.0
SIGN_OF_LIFE = "24h"
"""After which a node is lost that has given none: simulated ones give one, and a real one on a busy host some late."""
SERVICES = "10.96.0.0/16"
ISSUER = "https://kubernetes.default.svc"
LOOPBACK, PORT = "127.0.0.1", 6443
"""Where all processes of the host are reached, the port is whichever is free; elsewhere it is the usual one."""
OUTSIDE = "192.0.2.1"
"""An address for documentation: the API server must advertise one that is not loopback, and nobody asks it there."""


@dataclass(slots=True)
class Process:
    """A command of the cluster that runs, with its log."""

    line: Sequence[str]
    popen: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """As a crash would."""
        self.popen.kill()
        self.popen.wait()


@dataclass(slots=True)
class ControlPlane:
    """`url` is the API server's. `token` is an administrator's. Restart a process by its `start_` again."""

    commands: Path
    folder: Path
    url: str
    authority: Authority
    token: str = field(repr=False)
    etcd_port: int
    processes: dict[str, Process] = field(default_factory=dict)

    def start_etcd(self) -> None:
        client, peer = self.etcd_url, f"http://127.0.0.1:{free_port()}"
        self.start(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            "--quota-backend-bytes=8589934592",
            "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def start_api_server(self, *options: str) -> None:
        """Returns once it is ready."""
        keys = self.folder
        self.start(
            "kube-apiserver",
            f"--etcd-servers={self.etcd_url}",
            f"--bind-address={self.url.removeprefix('https://').rpartition(':')[0]}",
            f"--secure-port={self.url.rpartition(':')[2]}",
            f"--advertise-address={OUTSIDE}",
            "--endpoint-reconciler-type=none",
            f"--client-ca-file={self.authority.certificate}",
            f"--tls-cert-file={keys / 'kube-apiserver.crt'}",
            f"--tls-private-key-file={keys / 'kube-apiserver.key'}",
            f"--kubelet-client-certificate={keys / 'kube-apiserver.crt'}",
            f"--kubelet-client-key={keys / 'kube-apiserver.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={keys / 'tokens.key'}",
            f"--service-account-signing-key-file={keys / 'tokens.key'}",
            f"--service-account-issuer={ISSUER}",
            f"--token-auth-file={keys / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            f"--service-cluster-ip-range={SERVICES}",
            "--etcd-compaction-interval=0",
            *options,
        )
        self.await_ready()

    def start_controllers(self, *options: str) -> None:
        self.start(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig('kube-controller-manager')}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.folder / 'tokens.key'}",
            f"--root-ca-file={self.authority.certificate}",
            "--kube-api-qps=2000",
            "--kube-api-burst=4000",
            f"--node-monitor-grace-period={SIGN_OF_LIFE}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            *options,
        )

    def start_scheduler(self) -> None:
        configuration = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"kubeconfig": str(self.kubeconfig("kube-scheduler")), "qps": 5000, "burst": 10000},
            "parallelism": 4,
            "percentageOfNodesToScore": 5,
        }
        path = self.folder / "scheduler.json"
        path.write_text(json.dumps(configuration))
        self.start("kube-scheduler", f"--config={path}", "--bind-address=127.0.0.1", f"--secure-port={free_port()}")

    def start(self, command: str, *options: str) -> Process:
        """Runs a command until `stop`; it dies with the calling thread, whatever happens: call it in the main one."""
        log = self.folder / f"{command}.log"
        line = [str(self.commands / command), *options]
        process = self.processes[command] = Process(line, _run_mortal(line, log), log)
        return process

    def revive(self, command: str) -> None:
        """Starts a command again that is dying or dead, as it was: at the same addresses, over the same data."""
        process = self.processes[command]
        process.kill()
        process.popen = _run_mortal(process.line, process.log)

    def await_ready(self) -> None:
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        server = self.processes["kube-apiserver"]

        def is_ready() -> bool:
            assert server.popen.poll() is None, server.log.read_text()
            try:
                with urlopen(f"{self.url}/readyz", context=context, timeout=5) as answer:
                    return bool(answer.status == 200)
            except (URLError, OSError):
                return False

        until(is_ready, START_SECONDS)

    def stop(self) -> None:
        """At once: nothing of it is needed again."""
        for process in self.processes.values():
            process.kill()

    @property
    def etcd_url(self) -> str:
        return f"http://127.0.0.1:{self.etcd_port}"

    def kubeconfig(self, user: str, token: str | None = None) -> Path:
        """A file by which clients find the API server as that user: one of `USERS`, or of a token."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "tests",
                    "cluster": {"server": self.url, "certificate-authority": str(self.authority.certificate)},
                }
            ],
            "users": [{"name": user, "user": {"token": token or _token_of(self.folder, user)}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
            "current-context": "tests",
        }
        path = self.folder / f"{user}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(content))
        return path

    @property
    def environment(self) -> Mapping[str, str]:
        """Of commands that the administrator runs."""
        return {"KUBECONFIG": str(self.kubeconfig("admin")), "HOME": str(self.folder), "PATH": "/usr/bin:/bin"}

    def run(self, command: str, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl, helm or etcdctl's like to its end as the administrator; its output.

        Raises AssertionError with what it complains of.
        """
        line = [str(self.commands / command), *arguments]
        done = subprocess.run(line, input=stdin, capture_output=True, text=True, env=self.environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


USERS = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kubelet": ("system:node:real", "system:nodes"),
    "kube-network-policies": ("kube-network-policies", "system:masters"),
    "kwok": ("kwok", "system:masters"),
}
"""Who comes with a token: the name that Kubernetes knows it by, and its group."""


@contextmanager
def running_control_plane(
    commands: Path, folder: Path, address: str = LOOPBACK, options: Sequence[str] = ()
) -> Iterator[ControlPlane]:
    """etcd, and an API server at that address with those options, ready. Leaving stops every process that was started
    on it.
    """
    authority = Authority(folder)
    authority.sign("kube-apiserver", groups=["system:masters"], addresses=[address])
    make_signing_key(folder / "tokens.key")
    _write_tokens(folder)
    url = f"https://{address}:{free_port() if address == LOOPBACK else PORT}"
    plane = ControlPlane(commands, folder, url, authority, _token_of(folder, "admin"), free_port())
    try:
        plane.start_etcd()
        plane.start_api_server(*options)
        yield plane
    finally:
        plane.stop()


def _write_tokens(folder: Path) -> None:
    lines = []
    for user, (name, group) in USERS.items():
        lines.append(f'{secrets.token_urlsafe(24)},{name},{user},"{group}"')
    path = folder / "tokens.csv"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")


def _token_of(folder: Path, user: str) -> str:
    rows = (line.split(",") for line in (folder / "tokens.csv").read_text().splitlines())
    return next(row[0] for row in rows if row[2] == user)


def _run_mortal(line: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A process that the kernel kills when the thread that started it ends."""
    mortal = ["setpriv", "--pdeathsig", "KILL", "--", *line]
    with log.open("ab") as output:
        return subprocess.Popen(mortal, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
