"""How many sessions are let in, and who is told what when there are too many."""

import pytest

from catalog.errors import TooManyConnections
from catalog.principals import Principal
from gateway.admission import Admission, Quota

ROOT = Principal("root", admin=True, groups=frozenset())


def make_user(name: str, limit: int = -1) -> Principal:
    return Principal(name, admin=False, groups=frozenset(), connection_limit=limit)


def test_the_last_connections_are_for_admins() -> None:
    admission = Admission(Quota(most=3, reserved=2))
    admission.admit(make_user("ann"), "demo")
    with pytest.raises(
        TooManyConnections, match="remaining connection slots are reserved for roles with the SUPERUSER"
    ):
        admission.admit(make_user("bob"), "demo")
    admission.admit(ROOT, "demo")
    admission.admit(ROOT, "demo")
    with pytest.raises(TooManyConnections, match="sorry, too many clients already"):
        admission.admit(ROOT, "demo")
    admission.leave(ROOT, "demo")
    admission.admit(ROOT, "demo")


def test_limits_of_a_role_and_of_a_workspace() -> None:
    admission = Admission(Quota(workspaces={"small": 2}))
    ann = make_user("ann", 1)
    admission.admit(ann, "demo")
    with pytest.raises(TooManyConnections, match='too many connections for role "ann"'):
        admission.admit(ann, "small")
    admission.admit(make_user("bob"), "small")
    admission.admit(make_user("bob"), "small")
    with pytest.raises(TooManyConnections, match='too many connections for database "small"'):
        admission.admit(make_user("bob"), "small")
    admission.admit(ROOT, "small")
    admission.leave(ann, "demo")
    admission.admit(ann, "demo")


def test_a_limit_of_none_lets_nobody_in_but_admins() -> None:
    admission = Admission(Quota())
    with pytest.raises(TooManyConnections, match='for role "ann"'):
        admission.admit(make_user("ann", 0), "demo")
    admission.admit(Principal("root", admin=True, groups=frozenset(), connection_limit=0), "demo")
