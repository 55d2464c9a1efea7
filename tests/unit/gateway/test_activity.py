"""Sessions by process id: cancel keys, signals, and what pg_stat_activity shows."""

from dataclasses import dataclass, field

from catalog.principals import Principal
from catalog.sessions import Signal, SignalKind
from gateway.activity import Activity

ANN = Principal("ann", admin=False, groups=frozenset())
BOB = Principal("bob", admin=False, groups=frozenset())
ROOT = Principal("root", admin=True, groups=frozenset())


@dataclass
class FakeMember:
    """A session that only notes what is done to it."""

    principal: Principal
    workspace: str = "demo"
    pid: int = 0
    status: bytes = b"I"
    working: bool = False
    application_name: str = "test"
    query: str = "SELECT 1"
    happened: list[str] = field(default_factory=list)

    def cancel(self) -> None:
        self.happened.append("cancel")


def enter(activity: Activity, principal: Principal, workspace: str = "demo") -> tuple[FakeMember, bytes]:
    member = FakeMember(principal, workspace)
    secret = activity.enter(
        member, secret_length=32, address=("127.0.0.1", 5), terminate=lambda: member.happened.append("terminate")
    )
    return member, secret


def test_only_the_right_key_cancels() -> None:
    activity = Activity()
    (first, secret), (second, other) = enter(activity, ANN), enter(activity, ANN)
    activity.cancel(first.pid, other)
    activity.cancel(first.pid, b"")
    activity.cancel(0, b"")
    assert first.happened == second.happened == []
    activity.cancel(first.pid, secret)
    assert first.happened == ["cancel"]
    assert second.happened == []


def test_who_has_left_is_not_cancelled() -> None:
    activity = Activity()
    member, secret = enter(activity, ANN)
    activity.leave(member)
    activity.cancel(member.pid, secret)
    assert member.happened == []
    assert activity.describe("demo") == []


def test_signals_reach_oneself_and_obey_admins_only() -> None:
    activity = Activity()
    (ann, _), _, _ = enter(activity, ANN), enter(activity, BOB), enter(activity, ROOT)
    activity.signal(Signal(SignalKind.CANCEL, ann.pid, "bob"))
    activity.signal(Signal(SignalKind.CANCEL, ann.pid, "nobody"))
    assert ann.happened == []
    activity.signal(Signal(SignalKind.CANCEL, ann.pid, "ann"))
    activity.signal(Signal(SignalKind.TERMINATE, ann.pid, "root"))
    assert ann.happened == ["cancel", "terminate"]


def test_process_ids_are_positive_and_differ() -> None:
    activity = Activity()
    pids = {enter(activity, ANN)[0].pid for _ in range(100)}
    assert len(pids) == 100
    assert all(0 < pid < 2**31 for pid in pids)


def test_rows_are_a_workspaces_own() -> None:
    activity = Activity()
    member, _ = enter(activity, ANN)
    enter(activity, BOB, "other")
    (row,) = activity.describe("demo")
    assert (row["pid"], row["usename"], row["state"]) == (member.pid, "ann", "idle")
