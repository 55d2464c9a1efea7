"""One VMM's faults, served from the memory file until the VMM is gone."""

import bisect
import ctypes
import mmap
import select
import socket
from collections.abc import Sequence

from compute.spawners.firecracker.pager.mappings import MAX_MESSAGE, MappingError, Region, parse_mappings
from compute.spawners.firecracker.pager.userfault import copy_pages, read_faults

AHEAD_BYTES = 128 << 10
"""What one fault brings: neighbours are wanted next, and a fault costs more than the copy."""
TRIES = 1000
GREETING_SECONDS = 10.0


class Memory:
    """A template's memory file, mapped privately: pages come from the page cache, shared with every other reader."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        self.size = len(self._map)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))


def greet(stream: socket.socket, memory: Memory) -> tuple[int, Sequence[Region]]:
    """The VMM's userfaultfd and its memory's regions: one message. Raises MappingError, OSError."""
    stream.settimeout(GREETING_SECONDS)
    message, descriptors, _flags, _address = socket.recv_fds(stream, MAX_MESSAGE, 1)
    if len(descriptors) != 1:
        raise MappingError("no userfaultfd came with the mappings")
    return descriptors[0], parse_mappings(message, memory.size)


class FaultService:
    def __init__(self, userfault: int, regions: Sequence[Region], memory: Memory) -> None:
        self._userfault = userfault
        self._regions = regions
        self._starts = [region.address for region in regions]
        self._memory = memory

    def run(self, stream: socket.socket) -> None:
        """Returns when the VMM has gone, which closes `stream`. Raises MappingError, UnknownEvent, OSError."""
        waiting = select.poll()
        waiting.register(stream, select.POLLIN)
        waiting.register(self._userfault, select.POLLIN)
        while True:
            for descriptor, _events in waiting.poll():
                if descriptor == stream.fileno():
                    return
                for fault in read_faults(self._userfault):
                    self.serve(fault.address)

    def serve(self, address: int) -> None:
        """Brings the page of that address, and what follows it as far as that is missing too."""
        region = self._find(address)
        start = address - address % region.page_size
        size = min(max(AHEAD_BYTES, region.page_size), region.end - start)
        source = self._memory.address + region.offset + start - region.address
        for _ in range(TRIES):
            try:
                if copy_pages(self._userfault, start, source, size):
                    return
            except ProcessLookupError:
                return
        raise OSError("the VMM's address space does not come to rest")

    def _find(self, address: int) -> Region:
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._regions[index].end:
            raise MappingError(f"a fault at {address:#x}, outside of all mappings")
        return self._regions[index]
