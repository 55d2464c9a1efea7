"""Network namespaces of machines, as commands of ip(8).

Without a network, every VMM of a gateway is in one empty namespace: there is nothing to send to. With one, each slot
has a namespace in which the names and addresses are the same, so that clones of one template need no change; a veth
pair with addresses of the slot's own leads to the host.
"""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from compute.spawners import CannotStart
from compute.spawners.firecracker.calls import TAP
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.slots import Slot
from compute.spawners.shares import FIRST_UID, MOST_UIDS

_EMPTY = "lakegate-empty-"
"""So begins the name of a gateway's namespace in which there is nothing."""
TAP_ADDRESS = "172.30.0.1/30"
"""The guest's side is .2, in every machine alike."""
UPLINKS = IPv4Network("10.201.0.0/16")
"""Four addresses a slot: the second is the namespace's, the first the host's."""

Command = Sequence[str]


def make_slots(config: FirecrackerConfig) -> tuple[Slot, ...]:
    """All that `config` allows, with numbers that no other gateway of the host has. Raises ValueError where there are
    more than users."""
    if config.machines > MOST_UIDS:
        raise ValueError(f"a gateway has users for {MOST_UIDS} machines")
    first = config.share * MOST_UIDS
    empty = f"{_EMPTY}{config.share}" if config.network == "none" else None
    return tuple(
        Slot(number, FIRST_UID + number, empty or f"lakegate-{number}")
        for number in range(first, first + config.machines)
    )


def uplink(number: int) -> tuple[IPv4Address, IPv4Address]:
    """The host's and the namespace's address of a slot."""
    return UPLINKS[4 * number + 1], UPLINKS[4 * number + 2]


def empty_commands(slot: Slot) -> tuple[Command, ...]:
    """Of the namespace that all slots are in."""
    return (("netns", "add", slot.namespace),)


def build_commands(slot: Slot) -> tuple[Command, ...]:
    """A namespace with a tap that the slot's user may open, and a way to the host."""
    host, inside = uplink(slot.number)
    within = ("-n", slot.namespace)
    outer = uplink_name(slot)
    return (
        ("netns", "add", slot.namespace),
        (*within, "link", "set", "lo", "up"),
        (*within, "tuntap", "add", TAP, "mode", "tap", "user", str(slot.uid)),
        (*within, "addr", "add", TAP_ADDRESS, "dev", TAP),
        (*within, "link", "set", TAP, "up"),
        ("link", "add", outer, "type", "veth", "peer", "name", "uplink", "netns", slot.namespace),
        (*within, "addr", "add", f"{inside}/30", "dev", "uplink"),
        (*within, "link", "set", "uplink", "up"),
        ("addr", "add", f"{host}/30", "dev", outer),
        ("link", "set", outer, "up"),
        (*within, "route", "add", "default", "via", str(host)),
    )


def uplink_name(slot: Slot) -> str:
    """The host's end of a slot's link, which is short as names of devices are; empty where the slot has none."""
    return "" if slot.namespace.startswith(_EMPTY) else f"lg{slot.number}"


def remove_commands(namespace: str, uplink: str) -> tuple[Command, ...]:
    link: tuple[Command, ...] = (("link", "delete", uplink),) if uplink else ()
    return (*link, ("netns", "delete", namespace))


async def run(ip: str, command: Command) -> None:
    """Raises CannotStart with what ip(8) says."""
    try:
        process = await asyncio.create_subprocess_exec(
            ip, *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise CannotStart(f"{ip}: {error.strerror}; install iproute2") from error
    _, complaint = await process.communicate()
    if process.returncode:
        raise CannotStart(f"{ip} {' '.join(command)}: {complaint.decode(errors='replace').strip()}")
