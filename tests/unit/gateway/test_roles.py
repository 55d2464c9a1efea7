"""The role that a session acts as: what of hers is kept apart from what she does as another."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from catalog.errors import FeatureNotSupported, InsufficientPrivilege, InvalidParameterValue
from catalog.principals import Directory, Login, Principal
from compute.lease import Lease
from gateway.executor import Executor
from gateway.leases import Leases
from gateway.reserve import Reserve
from gateway.variables import Variables

GROUPS = frozenset({"crew", "fleet"})
ANN = Principal("ann", admin=True, groups=GROUPS)
CREW = Principal("crew", admin=False, groups=frozenset({"fleet"}))
STRANGERS = Principal("strangers", admin=False, groups=frozenset())
DIRECTORY = Directory(1, {"ann": Login(ANN, None)}, {"crew": CREW, "strangers": STRANGERS}, frozenset())


def test_who_takes_on_a_role_has_its_rights_and_stays_accountable() -> None:
    taken = DIRECTORY.assume("ann", "crew")
    assert (taken.name, taken.user, taken.admin) == ("crew", "ann", False)
    assert taken.grantees == {"crew", "fleet", "public"}
    assert taken != CREW, "what is remembered for one is not the other's"
    assert DIRECTORY.assume("ann", "ann") == ANN


def test_no_role_without_a_membership() -> None:
    with pytest.raises(InsufficientPrivilege, match='permission denied to set role "strangers"'):
        DIRECTORY.assume("ann", "strangers")
    with pytest.raises(InvalidParameterValue, match='role "nobody" does not exist'):
        DIRECTORY.assume("ann", "nobody")
    with pytest.raises(InsufficientPrivilege):
        DIRECTORY.assume("dropped", "crew")


def test_a_role_that_was_taken_on_is_renewed_with_its_membership() -> None:
    taken = DIRECTORY.assume("ann", "crew")
    assert DIRECTORY.renew(taken) == taken
    parted = Directory(2, {"ann": Login(Principal("ann", True, frozenset()), None)}, {"crew": CREW}, frozenset())
    with pytest.raises(InsufficientPrivilege):
        parted.renew(taken)
    assert parted.renew(CREW) == CREW


def test_reset_all_leaves_the_role() -> None:
    variables = Variables({"work_mem": "4MB"})
    variables.start({"role": "fleet"})
    variables.set("role", "crew")
    variables.set("work_mem", "5MB")
    variables.reset(None)
    assert dict(variables) == {"role": "crew"}
    variables.end(commit=False)
    assert dict(variables) == {"role": "fleet"}


async def test_a_machine_that_one_role_has_used_is_not_anothers() -> None:
    released: list[int] = []

    async def acquire(_engine: str) -> Lease:
        number = next(numbers)

        async def release() -> None:
            released.append(number)

        return cast("Lease", SimpleNamespace(lost=False, leaving=False, release=release))

    numbers = iter(range(9))
    leases = Leases(acquire, 60)
    hers = await leases.take("duckdb", "ann")
    await leases.give_back("duckdb", "ann", hers)
    assert await leases.take("duckdb", "ann") is hers
    await leases.give_back("duckdb", "ann", hers)
    acting = await leases.take("duckdb", "crew")
    assert acting is not hers
    assert released == [0]
    await leases.give_back("duckdb", "crew", acting)
    await leases.close()
    assert released == [0, 1]


async def test_a_query_is_not_planned_anew_for_another_role() -> None:
    session = SimpleNamespace(principal=CREW, workspace="demo")
    services = SimpleNamespace(reserve=Reserve((Path(),)))
    portal = SimpleNamespace(prepared=SimpleNamespace(statement=object()))
    executor = Executor(cast("Any", session), cast("Any", services), cast("Any", None))
    with pytest.raises(FeatureNotSupported, match="not planned anew for another"):
        await executor._reroute(cast("Any", portal), None, ANN)
