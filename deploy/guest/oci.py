"""The same layers as an OCI archive, which `ctr images import` and registries take."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.guest import tarball
from deploy.guest.tarball import Entry

CREATED = "2026-01-01T00:00:00Z"
_MEDIA = "application/vnd.oci.image"


def write_oci(layers: Sequence[Path], target: Path, *, name: str, entrypoint: Sequence[str]) -> None:
    """One image of those layers, the lowest first, which runs `entrypoint` as the machines' user."""
    blobs: dict[str, Entry] = {}
    described = [_add_file(blobs, f"{_MEDIA}.layer.v1.tar", layer) for layer in layers]
    config = _add_json(blobs, f"{_MEDIA}.config.v1+json", _config([each["digest"] for each in described], entrypoint))
    manifest_type = f"{_MEDIA}.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": described}
    listed = _add_json(blobs, manifest_type, manifest)
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index = {"schemaVersion": 2, "manifests": [listed | {"annotations": names}]}
    layout = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    tarball.write(target, blobs | {path: Entry(0o644, content) for path, content in layout.items()})


def _config(layers: Sequence[str], entrypoint: Sequence[str]) -> Mapping[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": {
            "Entrypoint": list(entrypoint),
            "User": "64023:64023",
            "WorkingDir": "/scratch",
            "Env": ["PATH=/usr/bin", "LANG=C.UTF-8"],
        },
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
    }


def _add(blobs: dict[str, Entry], media_type: str, content: bytes) -> dict[str, Any]:
    """Stores a blob; its descriptor."""
    checksum = hashlib.sha256(content).hexdigest()
    blobs[f"blobs/sha256/{checksum}"] = Entry(0o644, content)
    return {"mediaType": media_type, "digest": f"sha256:{checksum}", "size": len(content)}


def _add_file(blobs: dict[str, Entry], media_type: str, path: Path) -> dict[str, Any]:
    """The same of a file's content."""
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    blobs[f"blobs/sha256/{checksum}"] = Entry(0o644, source=path)
    return {"mediaType": media_type, "digest": f"sha256:{checksum}", "size": path.stat().st_size}


def _add_json(blobs: dict[str, Entry], media_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return _add(blobs, media_type, _json(content))


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
