"""Spark Connect's protocol: the generated messages of the pyspark wheel, without pyspark's Python client.

Importing ``pyspark.sql.connect`` wants pandas, for a client that we do not use: two seconds and 90 MB in every process.
So pandas is not installed, and the generated modules are imported below bare stand-ins for their parent packages, which
are taken away again.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from compute.spark import java

_PARENTS = ("pyspark", "pyspark.sql", "pyspark.sql.connect")


def _import_generated(name: str) -> Any:
    root = java.pyspark_jars().parent.parent
    stand_ins = [parent for parent in _PARENTS if parent not in sys.modules]
    for parent in stand_ins:
        module = ModuleType(parent)
        module.__path__ = [str(root.joinpath(*parent.split(".")))]
        sys.modules[parent] = module
    try:
        return import_module(f"pyspark.sql.connect.proto.{name}")
    finally:
        for parent in stand_ins:
            del sys.modules[parent]


if TYPE_CHECKING:
    from pyspark.sql.connect.proto import base_pb2 as messages
    from pyspark.sql.connect.proto import types_pb2 as types
else:
    messages = _import_generated("base_pb2")
    types = _import_generated("types_pb2")
stubs: Any = _import_generated("base_pb2_grpc")

__all__ = ["messages", "stubs", "types"]
