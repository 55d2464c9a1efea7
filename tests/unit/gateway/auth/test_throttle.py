"""Failed log-ins: how many are too many, for whom, and that nobody can fill the memory with them."""

from gateway.auth.throttle import LONGEST_NAME, MOST_KEYS, LoginLimits, Throttle

LIMITS = LoginLimits(failures_per_address=4, failures_per_user=2, window_seconds=10)


def test_a_user_is_refused_everywhere_and_let_in_later() -> None:
    throttle = Throttle(LIMITS)
    for address in ("10.0.0.1", "10.0.0.2"):
        assert throttle.wait(address, "ann", 0.0) == 0
        throttle.fail(address, "ann", 0.0)
    assert throttle.wait("10.0.0.3", "ann", 0.0) == 5.0
    assert throttle.wait("10.0.0.3", "bob", 0.0) == 0
    assert throttle.wait("10.0.0.3", "ann", 5.0) == 0


def test_an_address_is_refused_whoever_it_tries() -> None:
    throttle = Throttle(LIMITS)
    for user in "abcd":
        throttle.fail("10.0.0.1", user, 0.0)
    assert throttle.wait("10.0.0.1", "e", 0.0) > 0
    assert throttle.wait("::ffff:10.0.0.1", "e", 0.0) > 0
    assert throttle.wait("10.0.0.2", "e", 0.0) == 0


def test_an_ipv6_client_has_one_network() -> None:
    throttle = Throttle(LIMITS)
    for number in range(4):
        throttle.fail(f"2001:db8::{number:x}", str(number), 0.0)
    assert throttle.wait("2001:db8::ffff", "x", 0.0) > 0
    assert throttle.wait("2001:db8:0:1::1", "x", 0.0) == 0


def test_nobody_shuts_out_a_user_where_it_has_been() -> None:
    throttle = Throttle(LIMITS)
    throttle.succeed("10.0.0.9", "ann")
    for _ in range(2):
        throttle.fail("10.0.0.1", "ann", 0.0)
    assert throttle.wait("10.0.0.9", "ann", 0.0) == 0
    assert throttle.wait("10.0.0.8", "ann", 0.0) > 0


def test_the_tables_are_bounded() -> None:
    throttle = Throttle(LIMITS)
    for number in range(MOST_KEYS + 10):
        throttle.fail("10.0.0.1", f"{number:07}" * 1000, 0.0)
        throttle.succeed("10.0.0.1", f"{number:07}" * 1000)
    assert max(map(len, throttle._users._levels)) == LONGEST_NAME
    assert len(throttle._users._levels) == len(throttle._known) == MOST_KEYS
