"""Who of a host's gateways has which users and numbers."""

from pathlib import Path

import pytest

from compute.spawners import CannotStart
from compute.spawners.shares import MOST_SHARES, Users, take_share


def test_each_gateway_has_a_share_of_its_own_until_it_ends(tmp_path: Path) -> None:
    shares = [take_share(tmp_path / "shares") for _ in range(MOST_SHARES)]
    assert [share.number for share in shares] == list(range(MOST_SHARES))
    uids = [uid for share in shares for uid in share.uids]
    assert len(set(uids)) == len(uids)
    with pytest.raises(CannotStart, match="6 gateways have machines on this host already"):
        take_share(tmp_path / "shares")
    shares.pop(2).release()
    shares.append(take_share(tmp_path / "shares"))
    assert shares[-1].number == 2
    for share in shares:
        share.release()


def test_a_lock_that_leads_elsewhere_is_none(tmp_path: Path) -> None:
    (tmp_path / "0.lock").symlink_to(tmp_path / "another")
    with pytest.raises(CannotStart, match="agree there"):
        take_share(tmp_path)
    assert not (tmp_path / "another").exists()


def test_a_user_is_one_machines_and_rests_longest() -> None:
    users = Users(range(10, 13))
    assert [users.take() for _ in range(3)] == [10, 11, 12]
    with pytest.raises(CannotStart, match="all 3 users"):
        users.take()
    users.give_back(11)
    users.give_back(10)
    assert [users.take() for _ in range(2)] == [11, 10]
