"""How many backends roles may have, and their sessions keep."""

import pytest

from gateway.relay.allotment import Allotment
from gateway.relay.backend import Identity
from gateway.relay.limits import RelayLimits

ALICE, BOB = Identity("alice", "lake"), Identity("bob", "lake")


def test_the_last_of_a_role_are_not_kept() -> None:
    allotment = Allotment(RelayLimits(backends=10, backends_per_role=3, backends_reserved=1))
    allotment.add(ALICE, kept=True)
    allotment.add(ALICE, kept=False)
    assert allotment.may_keep(ALICE)
    allotment.keep(ALICE)
    assert not allotment.may_keep(ALICE)
    assert allotment.may_keep(BOB)
    assert allotment.may_add(ALICE)
    allotment.add(ALICE, kept=False)
    assert not allotment.may_add(ALICE)
    assert not allotment.is_full
    allotment.let_go(ALICE)
    assert allotment.may_keep(ALICE)
    allotment.remove(ALICE, kept=True)
    assert allotment.may_add(ALICE)
    assert allotment.total == 2


def test_the_last_of_all_are_not_kept() -> None:
    allotment = Allotment(RelayLimits(backends=3, backends_per_role=3, backends_reserved=1))
    for identity in (ALICE, BOB):
        allotment.add(identity, kept=True)
    assert not allotment.may_keep(ALICE)
    assert not allotment.is_full
    allotment.add(ALICE, kept=False)
    assert allotment.is_full


def test_one_is_kept_whatever_is_reserved() -> None:
    assert Allotment(RelayLimits(backends_per_role=1, backends_reserved=4)).may_keep(ALICE)


@pytest.mark.parametrize(
    ("limits", "keeps", "detail", "option"),
    [
        (
            RelayLimits(backends_per_role=3, backends_reserved=1),
            True,
            "In workspace lake, role alice has 2, and its sessions keep 2.",
            "metastore.backends_per_role in",
        ),
        (
            RelayLimits(backends_per_role=2),
            False,
            "In workspace lake, role alice has 2, and its sessions keep 2.",
            "metastore.backends_per_role in",
        ),
        (
            RelayLimits(backends=4, backends_reserved=1),
            True,
            "On this gateway there are 3, and sessions keep 3.",
            "metastore.backends in",
        ),
    ],
)
def test_the_refusal_names_the_option(limits: RelayLimits, keeps: bool, detail: str, option: str) -> None:
    allotment = Allotment(limits)
    for identity in (ALICE, ALICE, BOB):
        allotment.add(identity, kept=True)
    refused = allotment.refuse(ALICE, "none", keeps=keeps)
    assert (refused.sqlstate, refused.detail) == ("53300", detail)
    assert option in (refused.hint or "")
