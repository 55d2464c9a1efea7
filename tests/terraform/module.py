"""The module's blocks, and what they refer to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "terraform"
TRAVERSAL = re.compile(r"(?<![\w.\"-])(?:data\.)?(?:aws_\w+|var|local)\.[a-z_]\w*(?:\[[^\]]*\])?(?:\.\w+)?")


@dataclass(frozen=True, slots=True)
class Block:
    """A resource or data source: `address` is how others refer to it."""

    address: str
    kind: str
    is_data: bool
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Module:
    """All files' blocks together."""

    parsed: Mapping[str, Mapping[str, Any]]

    def blocks(self) -> Iterator[Block]:
        for each, is_data in ((each, name == "data") for name in ("resource", "data") for each in self._all(name)):
            for kind, named in each.items():
                for name, body in named.items():
                    prefix = "data." if is_data else ""
                    yield Block(f"{prefix}{plain(kind)}.{plain(name)}", plain(kind), is_data, body)

    def named(self, kind: str) -> Mapping[str, Any]:
        """Blocks of one label: variables, outputs."""
        return {plain(name): body for each in self._all(kind) for name, body in each.items()}

    def locals(self) -> Mapping[str, Any]:
        return {name: value for each in self._all("locals") for name, value in each.items() if name[:2] != "__"}

    def resource(self, kind: str) -> Mapping[str, Any]:
        """The module's only one of that kind."""
        (found,) = (block.body for block in self.blocks() if block.kind == kind and not block.is_data)
        return found

    def _all(self, kind: str) -> Iterator[Mapping[str, Any]]:
        for file in self.parsed.values():
            yield from file.get(kind, ())


def read_module() -> Module:
    """Raises lark's UnexpectedInput where a file is no HCL."""
    return Module({path.name: hcl2.loads(path.read_text()) for path in sorted(FOLDER.glob("*.tf"))})


def plain(text: str) -> str:
    """Without its quotation marks."""
    return text.removeprefix('"').removesuffix('"')


def references(value: Any) -> Iterator[str]:
    """What a body names of the module: ``var.x``, ``local.x``, ``aws_vpc.this.id``, ``data.aws_vpc.that.id``."""
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from references(each)
    elif isinstance(value, str):
        yield from (found[0] for found in TRAVERSAL.finditer(value))
