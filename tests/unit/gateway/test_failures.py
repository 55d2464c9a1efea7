"""How many wrong keys an address may try."""

from gateway.cancel import FAILURES, FORGIVEN_SECONDS, Failures


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_wrong_keys_are_counted_by_address_and_forgiven_in_time() -> None:
    clock = Clock()
    failures = Failures(clock)
    for _ in range(FAILURES):
        assert not failures.too_many("10.0.0.1")
        failures.add("10.0.0.1")
    assert failures.too_many("10.0.0.1")
    assert not failures.too_many("10.0.0.2")
    clock.now += FORGIVEN_SECONDS * 1.5
    assert not failures.too_many("10.0.0.1")
    failures.add("10.0.0.1")
    assert failures.too_many("10.0.0.1")


def test_memory_is_bounded() -> None:
    failures = Failures(Clock())
    for number in range(10_000):
        failures.add(str(number))
    assert len(failures._spent) <= 4096
