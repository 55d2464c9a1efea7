"""What is wrong with a block, or with what it refers to, as Terraform would complain of it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.terraform.module import Block, Module, plain, references
from tests.terraform.schema import Schema

META = {"count", "depends_on", "for_each", "lifecycle", "provider"}


def wrong_arguments(block: Block, provider: Schema) -> Iterator[str]:
    """Types, arguments and blocks that the provider does not know, and those that it needs and does not get."""
    kind = _kinds(block, provider).get(block.kind)
    if kind is None:
        yield f"{block.address}: there is no {block.kind}"
        return
    body = {name: value for name, value in block.body.items() if name not in META}
    yield from _wrong_in(body, kind["form"], provider, block.address)


def wrong_references(module: Module, provider: Schema) -> Iterator[str]:
    """What is named and is not there: variables, locals, blocks, and attributes of these."""
    blocks = {block.address: block for block in module.blocks()}
    there = {f"var.{name}" for name in module.named("variable")} | {f"local.{name}" for name in module.locals()}
    for named in references(list(module.parsed.values())):
        address, _, attribute = _split(named)
        if address in there:
            continue
        block = blocks.get(address)
        if block is None:
            yield f"{named}: there is no {address}"
        elif attribute and attribute not in _kinds(block, provider)[block.kind]["attributes"]:
            yield f"{named}: {block.kind} has no attribute {attribute}"


def _split(named: str) -> tuple[str, str, str]:
    """Address, index and attribute. A variable's and a local's own parts are not looked at."""
    found = re.fullmatch(r"(var\.\w+|local\.\w+|(?:data\.)?\w+\.\w+)(\[[^\]]*\])?(?:\.(\w+))?", named)
    assert found is not None, named
    return found[1], found[2] or "", found[3] or ""


def _kinds(block: Block, provider: Schema) -> Mapping[str, Mapping[str, Any]]:
    return provider.data if block.is_data else provider.resources


def _wrong_in(body: Mapping[str, Any], form: str, provider: Schema, at: str) -> Iterator[str]:
    known = provider.forms[form]
    arguments = {name for name, value in body.items() if name[:2] != "__" and not _is_block(value)}
    blocks = list(_blocks(body))
    needed = {name for name, must in known["arguments"].items() if must}
    yield from (f"{at}: there is no argument {name}" for name in arguments - known["arguments"].keys())
    yield from (f"{at}: there is no block {name}" for name in {name for name, _ in blocks} - known["blocks"].keys())
    yield from (f"{at}: {name} is missing" for name in needed - arguments)
    yield from (f"{at}: {name} is missing" for name in set(known["required"]) - {name for name, _ in blocks})
    for name, inner in blocks:
        if name in known["blocks"]:
            yield from _wrong_in(inner, known["blocks"][name], provider, f"{at}.{name}")


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Inner blocks and their names; of a dynamic one, what it makes."""
    for name, value in body.items():
        for each in value if _is_block(value) else ():
            if name == "dynamic":
                yield from ((plain(label), made) for label, made_by in _labelled(each) for made in made_by["content"])
            else:
                yield name, each


def _labelled(each: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((label, inner) for label, inner in each.items() if label[:2] != "__")


def _is_block(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, Mapping) and _marked(each) for each in value)


def _marked(each: Mapping[str, Any]) -> bool:
    """By the parser, at the block itself or, where it has a label, below that."""
    return "__is_block__" in each or any(isinstance(inner, Mapping) and _marked(inner) for inner in each.values())
