"""The chart as Helm itself renders it, and sets of values that cover what it can say."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.build import commands_folder

CHART = Path(__file__).resolve().parent.parent / "deploy" / "helm" / "lakegate"
RELEASE = "lakegate"
NAMESPACE = "gateways"
ROLE = "arn:aws:iam::123456789012:role/lakegate"

WAREHOUSE = """\
[engines.duckdb]
node_types = ["metal", "default"]   # "metal" first: it is there anyway

[workspaces.analytics]
s3_role = "arn:aws:iam::123456789012:role/lakegate"
"""

Values = Mapping[str, Any]
Document = Mapping[str, Any]

SECRETS: Values = {
    "metastore": {"secretName": "metastore"},
    "admin": {"secretName": "admin"},
    "tls": {"secretName": "certificate"},
}
"""What every release must give."""
API_SERVER = "10.0.3.0/24"
LEAST: Values = {**SECRETS, "networkPolicy": {"apiServerCidrs": [API_SERVER]}}
"""What must be given where there are walls, as there are by default."""
EVERYTHING: Values = {
    **LEAST,
    "image": {"digest": f"sha256:{'0' * 64}", "pullSecrets": ["registry"]},
    "gateway": {
        "roleArn": ROLE,
        "nodeSelector": {"role": "gateways"},
        "tolerations": [{"key": "role", "operator": "Exists"}],
        "podAnnotations": {"team": "data"},
    },
    "service": {"type": "LoadBalancer", "sourceRanges": ["10.0.0.0/8"], "annotations": {"scheme": "internal"}},
    "metrics": {"enabled": True},
    "autoscaling": {"enabled": True, "maxReplicas": 3},
    "storage": {"className": "efs"},
    "machines": {
        "roleArn": ROLE,
        "placeholders": {"count": 3, "pool": "lakegate-spot"},
        "cpuShare": 0.25,
        "spark": {"executors": "2:20", "nodeType": "spot", "claim": "tables"},
        "nodeTypes": {"metal": {"placed": True, "spread": 2, "daemonMemory": 512, "daemonCpus": 0.5, "daemonPods": 8}},
    },
    "warehouse": WAREHOUSE,
    "runtimeClasses": ["kata", "gvisor"],
    "karpenter": {"enabled": True},
}
SHARED: Values = {
    **SECRETS,
    "machines": {"namespace": "elsewhere", "createNamespace": False},
    "priorityClasses": {"create": False},
    "networkPolicy": {"enabled": False},
    "storage": {"existingClaim": "lake"},
}
"""A cluster in which others own what is not a gateway's."""
SETS = {"least": LEAST, "everything": EVERYTHING, "shared": SHARED}


def render(values: Values, release: str = RELEASE, namespace: str = NAMESPACE) -> Sequence[Document]:
    """The documents, in the order in which Helm installs them."""
    return _rendered(json.dumps(values), release, namespace)


def refusal(values: Values) -> str:
    """What Helm says of values that it does not take."""
    done = _run(("template", RELEASE, str(CHART)), values)
    assert done.returncode != 0, done.stdout
    return done.stderr


def run_helm(*arguments: str, values: Values) -> str:
    """Raises AssertionError with what it complains of."""
    done = _run(arguments, values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def only(documents: Sequence[Document], kind: str, name: str | None = None) -> Any:
    """The one document of that kind, and name if one is given."""
    (found,) = (each for each in documents if each["kind"] == kind and name in (None, each["metadata"]["name"]))
    return found


def environment(documents: Sequence[Document]) -> Mapping[str, str]:
    """What a gateway's container is told in so many words; Secrets are not."""
    (container,) = only(documents, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


@cache
def _rendered(values: str, release: str, namespace: str) -> Sequence[Document]:
    text = run_helm("template", release, str(CHART), "--namespace", namespace, values=json.loads(values))
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def _run(arguments: Sequence[str], values: Values) -> "subprocess.CompletedProcess[str]":
    line = [str(_helm()), *arguments, "--values", "-"]
    with tempfile.TemporaryDirectory(prefix="lakegate-helm-") as home:
        return subprocess.run(
            line, input=json.dumps(values), capture_output=True, text=True, env={"HOME": home}, check=False
        )


@cache
def _helm() -> Path:
    return commands_folder() / "helm"
