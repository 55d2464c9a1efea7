"""The bill of materials: every package of somebody else's in root, kernel and initrd, as CycloneDX 1.6."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from deploy.guest.debian import Package
from deploy.guest.recipe import SUITE


def bill_of_materials(packages: Sequence[Package], image: str) -> str:
    """JSON. `image` is the key of what they are in."""
    return _render("lakegate-guest", image, map(_component, set(packages)))


def extend_bill(bill: str, packages: Sequence[Package], image: str, name: str) -> str:
    """The bill of an image of that name which has these packages on top of what the bill names."""
    return _render(name, image, (*json.loads(bill)["components"], *map(_component, set(packages))))


def _render(name: str, image: str, components: Iterable[dict[str, Any]]) -> str:
    ordered = sorted(components, key=lambda each: str(each["purl"]))
    described = {"type": "container", "name": name, "version": image}
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"component": described}}
    return json.dumps(bill | {"components": ordered}, indent=1) + "\n"


def _component(package: Package) -> dict[str, Any]:
    return {
        "type": "library",
        "name": package.name,
        "version": package.version,
        "purl": _package_url(package),
        "hashes": [{"alg": "SHA-256", "content": package.sha256}],
    }


def _package_url(package: Package) -> str:
    if package.kind == "deb":
        version = package.version.replace(":", "%3A").replace("+", "%2B")
        return f"pkg:deb/debian/{package.name}@{version}?arch={package.architecture}&distro={SUITE}"
    return f"pkg:{package.kind}/{package.name}@{package.version}"
