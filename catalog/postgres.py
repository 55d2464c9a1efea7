"""The embedded PostgreSQL server of a metastore: first use, start, restart after a crash, stop.

The server is the pinned wheel's, run by us. It listens on no network. Its socket lies in a folder of mode 0700, and
only the gateway's operating system user and the server's own are let in (`peer`), as any role, without passwords.
Started by root, it drops to an account of its own. It stops when the gateway does, even when the gateway is killed.

Layout below `data_dir`, which belongs to the gateway: `server/` (the cluster, the account's), `socket/` (the
account's), `postgresql.conf`, `pg_hba.conf`, `pg_ident.conf` (rewritten at every start, so that the server cannot
loosen them), `server.log`, `lock` (one gateway a folder).

References: PostgreSQL 18 documentation, chapters "Server Setup and Operation" and "Client Authentication".
"""

import asyncio
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from catalog.endpoint import Endpoint
from catalog.orphans import end_servers
from catalog.programs import ProgramsMissing, blocked_folder, reach_programs

OWNER = "lakegate"
DEFAULT_ACCOUNT = "lakegate-metastore"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
LONGEST_SOCKET_PATH = 107
_POLL_SECONDS = 0.01
_INITDB = (
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--auth=peer",
    f"--username={OWNER}",
)
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "superuser_reserved_connections": "10",
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "temp_file_limit": "1GB",
    "dynamic_shared_memory_type": "mmap",
    "huge_pages": "off",
    "io_method": "sync",
    "fsync": "on",
    "synchronous_commit": "on",
    "recovery_init_sync_method": "syncfs",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "checkpoint_timeout": "15min",
    "max_locks_per_transaction": "256",
    "max_worker_processes": "4",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "log_min_messages": "log",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "ISO, MDY",
    "lc_messages": "C",
    "default_text_search_config": "pg_catalog.english",
}


class PostgresUnavailable(Exception):
    """The metastore's server cannot be had. The message is for the operator and says what to do."""


class EmbeddedPostgres:
    """One cluster below `data_dir`. `start` and `stop` are called once each, on the event loop's main thread.

    `account` is the operating system account that the server drops to when the gateway runs as root; it is made when
    it does not exist. A gateway that is not root runs the server as itself.
    """

    uses_passwords = False

    def __init__(
        self, data_dir: Path, account: str = DEFAULT_ACCOUNT, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._settings = settings
        self.port = 5432
        self.socket_directory = _socket_directory(self.data_dir, self.port)
        self._account_name = account if os.geteuid() == 0 else None
        self._programs = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    def owner_endpoint(self, database: str) -> Endpoint:
        return Endpoint(str(self.socket_directory), self.port, OWNER, database)

    def role_endpoint(self, role: str, database: str, password: str | None = None) -> Endpoint:
        return Endpoint(str(self.socket_directory), self.port, role, database)

    async def start(self) -> None:
        """Returns when the server answers. Makes the cluster on first use; ends a server that a killed gateway left.

        Raises PostgresUnavailable when another gateway uses the folder or the server does not come up.
        """
        self._lock = _take_lock(self.data_dir)
        try:
            account = await asyncio.to_thread(self._prepare)
            await end_servers(self._cluster, STOP_SECONDS)
            self._spawn(account)
            await self._wait_until_ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self, *, now: bool = False) -> None:
        """Ends the sessions and the server; `now` leaves writing out to the next start's crash recovery. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT if now else signal.SIGINT)
            try:
                await asyncio.to_thread(self._process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                await asyncio.to_thread(self._process.wait)
        self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "server"

    def _prepare(self) -> pwd.struct_passwd:
        account = _find_account(self._account_name)
        if blocked := blocked_folder(account, self.data_dir):
            raise PostgresUnavailable(
                f"the account {account.pw_name} of the metastore's server cannot pass {blocked}: "
                f"allow it (chmod o+x {blocked}) or choose a data folder elsewhere"
            )
        try:
            self._programs = reach_programs(account, self.data_dir)
        except ProgramsMissing as error:
            raise PostgresUnavailable(str(error)) from None
        self._write_configuration(account)
        _make_private(self.socket_directory, account)
        if not self._cluster.exists():
            self._make_cluster(account)
        return account

    def _write_configuration(self, account: pwd.struct_passwd) -> None:
        settings = {
            **_SETTINGS,
            **self._settings,
            "unix_socket_directories": str(self.socket_directory),
            "hba_file": str(self.data_dir / "pg_hba.conf"),
            "ident_file": str(self.data_dir / "pg_ident.conf"),
        }
        admitted = sorted({_name_of(os.geteuid()), account.pw_name})
        self._write("postgresql.conf", [f"{name} = {_quote(value)}" for name, value in settings.items()])
        self._write("pg_hba.conf", ["local all all peer map=gateway"])
        self._write("pg_ident.conf", [f'gateway "{name}" all' for name in admitted])

    def _write(self, name: str, lines: list[str]) -> None:
        path = self.data_dir / name
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o644)

    def _make_cluster(self, account: pwd.struct_passwd) -> None:
        unfinished = self.data_dir / "server.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _make_private(unfinished, account)
        command = [*_as_account(account), str(self._programs / "initdb"), "-D", str(unfinished), *_INITDB]
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(), cwd="/", check=False)
        if done.returncode != 0:
            raise PostgresUnavailable(f"the metastore's cluster could not be made: {done.stderr.strip()}")
        unfinished.rename(self._cluster)

    def _spawn(self, account: pwd.struct_passwd) -> None:
        command = [
            *_as_account(account, dies_with_us=True),
            str(self._programs / "postgres"),
            *("-D", str(self._cluster)),
            *("-c", f"config_file={self.data_dir / 'postgresql.conf'}"),
        ]
        with (self.data_dir / "server.log").open("wb") as log:
            # A session of its own, so that Ctrl-C in a terminal reaches the gateway first, which stops the server.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), start_new_session=True
            )

    async def _wait_until_ready(self) -> None:
        """The eighth line of postmaster.pid is the server's own word, the one that pg_ctl waits for."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not _is_ready(self._cluster / "postmaster.pid", self._running_process().pid):
            if self._running_process().poll() is not None or asyncio.get_running_loop().time() > deadline:
                log = (self.data_dir / "server.log").read_text(errors="replace")[-2000:].strip()
                raise PostgresUnavailable(f"the metastore's server did not start: {log}")
            await asyncio.sleep(_POLL_SECONDS)

    def _running_process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process


def _take_lock(data_dir: Path) -> IO[bytes]:
    data_dir.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        data_dir.chmod(0o711)
    lock = (data_dir / "lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise PostgresUnavailable(f"another gateway uses {data_dir}: stop it first") from error
    return lock


def _socket_directory(data_dir: Path, port: int) -> Path:
    near = data_dir / "socket"
    if len(os.fsencode(near / f".s.PGSQL.{port}.lock")) <= LONGEST_SOCKET_PATH:
        return near
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lakegate-{digest}"


def _make_private(folder: Path, account: pwd.struct_passwd) -> None:
    """Makes the folder, or takes the one that is there if nobody else could have made it."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if folder.is_symlink() or found.st_uid != account.pw_uid:
            raise PostgresUnavailable(f"{folder} belongs to somebody else: remove it") from None
    else:
        os.chown(folder, account.pw_uid, account.pw_gid)
    folder.chmod(0o700)


def _find_account(name: str | None) -> pwd.struct_passwd:
    if name is None:
        return pwd.getpwnam(_name_of(os.geteuid()))
    try:
        return pwd.getpwnam(name)
    except KeyError:
        _make_account(name)
        return pwd.getpwnam(name)


def _make_account(name: str) -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        subprocess.run([*command, "--shell", "/usr/sbin/nologin", name], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PostgresUnavailable(
            f"PostgreSQL does not run as root and the account {name} could not be made: run useradd --system {name}"
        ) from error


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError as error:
        raise PostgresUnavailable(
            f"user id {uid} has no name in /etc/passwd, which the embedded server needs: add one, or give a DSN"
        ) from error


def _as_account(account: pwd.struct_passwd, *, dies_with_us: bool = False) -> list[str]:
    """The command's prefix: another account where needed; a fast shutdown as soon as the gateway is gone."""
    setpriv = shutil.which("setpriv")
    options = ["--pdeathsig", "INT"] if dies_with_us else []
    if account.pw_uid != os.geteuid():
        if setpriv is None:
            raise PostgresUnavailable("PostgreSQL does not run as root and setpriv (util-linux) is missing: install it")
        options += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--no-new-privs"]
    return [setpriv, *options, "--"] if setpriv is not None and options else []


def _environment() -> dict[str, str]:
    """Nothing of the gateway's environment, which may hold secrets, reaches the server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _is_ready(pid_file: Path, pid: int) -> bool:
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
