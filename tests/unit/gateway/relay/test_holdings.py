"""What ties a session to its backend."""

import itertools

import pytest

from gateway.relay.holdings import Holdings
from gateway.relay.requests import FLUSH, SYNC
from tests.unit.gateway.relay.exchanges import answered, failed, suspended


@pytest.fixture
def holdings() -> Holdings:
    return Holdings(itertools.count(1).__next__)


def test_suspended_portal_outside_a_block(holdings: Holdings) -> None:
    assert holdings.choose_end() is SYNC
    assert holdings.choose_end(suspends=True) is FLUSH
    holdings.note_portal("p", suspended())
    assert not holdings.is_empty
    assert holdings.choose_end() is FLUSH
    holdings.note_portal("p", answered("SELECT 1", rows=True))
    assert holdings.is_empty
    assert holdings.closing == []


def test_suspended_portal_in_a_block(holdings: Holdings) -> None:
    holdings.begin = "BEGIN"
    assert holdings.choose_end(suspends=True) is SYNC
    holdings.note_portal("p", suspended())
    holdings.note_portal("p", answered("SELECT 1", rows=True))
    assert holdings.closing == ["p"]


def test_error_closes_portals(holdings: Holdings) -> None:
    holdings.note_portal("p", suspended())
    holdings.note_portal("", failed("22012"))
    assert holdings.is_empty


def test_every_change_has_its_own_epoch(holdings: Holdings) -> None:
    seen = [holdings.epoch]
    holdings.touch()
    seen.append(holdings.epoch)
    holdings.settle(state=True)
    seen.append(holdings.epoch)
    assert len(set(seen)) == 3
    holdings.forget()
    assert holdings.epoch == 0


def test_block_that_never_began(holdings: Holdings) -> None:
    holdings.begin = "BEGIN"
    assert holdings.is_empty
    assert not holdings.end_block()
    assert holdings.begin == ""


def test_block_that_was_lost(holdings: Holdings) -> None:
    holdings.begin, holdings.begun = "BEGIN", True
    holdings.lose()
    assert holdings.block_lost
    assert holdings.is_empty
    assert not holdings.end_block()
    assert not holdings.block_lost


def test_straying(holdings: Holdings) -> None:
    assert holdings.has_strayed(ord("T"))
    assert not holdings.has_strayed(ord("I"))
    holdings.begun = True
    assert holdings.has_strayed(ord("I"))
    assert not holdings.has_strayed(ord("E"))
    assert not holdings.has_strayed(0)
