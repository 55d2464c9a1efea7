"""Kinds of objects that others define: Karpenter's NodePool, out of the Go module that it is published in."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from compute.spark.cache import cache_folder, locked
from tests.cluster.build import build_environment, find_go

KARPENTER = "sigs.k8s.io/karpenter@v1.15.0"
NODE_POOLS = "pkg/apis/crds/karpenter.sh_nodepools.yaml"


def node_pool_definition() -> Any:
    """The CustomResourceDefinition."""
    caches = cache_folder(os.environ) / "crds"
    path = caches / KARPENTER.rpartition("@")[2] / Path(NODE_POOLS).name
    with locked(caches):
        if not path.exists():
            _fetch(path)
    return yaml.safe_load(path.read_text())


def _fetch(path: Path) -> None:
    """Go checks the module against its public sums. Only the definition is kept."""
    folder = path.with_name("unfinished")
    folder.mkdir(parents=True, exist_ok=True)
    environment, go = build_environment(folder), find_go()
    command = [*go, "mod", "download", "-json", KARPENTER]
    told = subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True).stdout
    shutil.copyfile(Path(json.loads(told)["Dir"], NODE_POOLS), folder / path.name)
    subprocess.run([*go, "clean", "-modcache"], check=True, cwd=folder, env=environment)
    (folder / path.name).rename(path)
    shutil.rmtree(folder)
