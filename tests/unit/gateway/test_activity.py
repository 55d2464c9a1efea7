"""Sessions by process id: cancel keys, signals, and what pg_stat_activity shows."""

from dataclasses import dataclass, field

from catalog.errors import SqlError
from catalog.principals import Principal
from catalog.sessions import Signal, SignalKind
from gateway.activity import Activity
from gateway.admission import Admission, Quota
from gateway.keys import Keyring
from gateway.pgwire.encryption import Cipher

ANN = Principal("ann", admin=False, groups=frozenset())
BOB = Principal("bob", admin=False, groups=frozenset())
CHIEF = Principal("chief", admin=False, groups=frozenset({"ann"}))
CIPHER = Cipher("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)
ROOT = Principal("root", admin=True, groups=frozenset())


@dataclass
class FakeMember:
    """A session that only notes what is done to it."""

    user: Principal
    workspace: str = "demo"
    pid: int = 0
    status: bytes = b"I"
    working: bool = False
    application_name: str = "test"
    query: str = "SELECT 1"
    query_start: float = 1000.0
    state_change: float = 1001.0
    xact_start: float | None = None
    happened: list[str] = field(default_factory=list)

    def cancel(self) -> None:
        self.happened.append("cancel")

    def terminate(self, error: SqlError) -> None:
        self.happened.append(error.sqlstate)


def make_activity() -> Activity:
    keyring = Keyring()
    keyring.number = 2
    return Activity(keyring, Admission(Quota()))


def enter(activity: Activity, principal: Principal, workspace: str = "demo") -> tuple[FakeMember, bytes]:
    member = FakeMember(principal, workspace)
    secret = activity.enter(member, long_key=True, address=("127.0.0.1", 5), cipher=CIPHER, terminate=member.terminate)
    return member, secret


def test_only_the_right_key_cancels() -> None:
    activity = make_activity()
    (first, secret), (second, other) = enter(activity, ANN), enter(activity, ANN)
    assert not activity.cancel(first.pid, other)
    assert not activity.cancel(first.pid, b"")
    assert not activity.cancel(0, b"")
    assert first.happened == second.happened == []
    assert activity.cancel(first.pid, secret)
    assert first.happened == ["cancel"]
    assert second.happened == []


def test_who_has_left_is_not_cancelled() -> None:
    activity = make_activity()
    member, secret = enter(activity, ANN)
    activity.leave(member)
    activity.leave(member)
    assert not activity.cancel(member.pid, secret)
    assert member.happened == []
    assert activity.describe("demo") == []


def test_signals_obey_who_has_the_owners_privileges() -> None:
    activity = make_activity()
    ann, _ = enter(activity, ANN)
    for stranger in (BOB, None):
        activity.signal(Signal(SignalKind.CANCEL, ann.pid, "bob"), stranger)
    assert ann.happened == []
    activity.signal(Signal(SignalKind.CANCEL, ann.pid, "ann"), ANN)
    activity.signal(Signal(SignalKind.CANCEL, ann.pid, "chief"), CHIEF)
    activity.signal(Signal(SignalKind.TERMINATE, ann.pid, "root"), ROOT)
    assert ann.happened == ["cancel", "cancel", "57P01"]


def test_process_ids_are_positive_and_differ() -> None:
    activity = make_activity()
    pids = {enter(activity, ANN)[0].pid for _ in range(100)}
    assert len(pids) == 100
    assert all(2**22 <= pid < 2**31 for pid in pids)


def test_rows_are_a_workspaces_own() -> None:
    activity = make_activity()
    member, _ = enter(activity, ANN)
    enter(activity, BOB, "other")
    (row,) = activity.describe("demo")
    assert (row["pid"], row["usename"], row["state"]) == (member.pid, "ann", "idle")
    assert (row["ssl"], row["version"], row["cipher"], row["bits"]) == (True, "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256)


def test_moments_follow_the_state() -> None:
    activity = make_activity()
    member, _ = enter(activity, ANN)
    (row,) = activity.describe("demo")
    assert (row["xact_start"], row["query_start"], row["state_change"]) == (
        None,
        "1970-01-01T00:16:40+00:00",
        "1970-01-01T00:16:41+00:00",
    )
    member.working = True
    (row,) = activity.describe("demo")
    assert row["xact_start"] == row["query_start"] == row["state_change"]
    member.xact_start = 900.0
    assert activity.describe("demo")[0]["xact_start"] == "1970-01-01T00:15:00+00:00"
