"""Cancel keys: only the right key cancels, only its own session."""

from gateway.cancel import CancelRegistry


def test_only_the_right_key_cancels() -> None:
    registry, cancelled = CancelRegistry(), []
    first = registry.register(lambda: cancelled.append("first"), secret_length=32)
    second = registry.register(lambda: cancelled.append("second"), secret_length=4)
    registry.cancel(first.pid, second.secret)
    registry.cancel(first.pid, b"")
    registry.cancel(0, b"")
    assert cancelled == []
    registry.cancel(second.pid, second.secret)
    assert cancelled == ["second"]


def test_a_forgotten_session_is_not_cancelled() -> None:
    registry, cancelled = CancelRegistry(), []
    key = registry.register(lambda: cancelled.append("it"), secret_length=32)
    registry.forget(key)
    registry.cancel(key.pid, key.secret)
    assert cancelled == []


def test_keys_are_positive_integers_and_long_enough() -> None:
    registry = CancelRegistry()
    keys = [registry.register(lambda: None, secret_length=32) for _ in range(100)]
    assert len({key.pid for key in keys}) == 100
    assert all(0 < key.pid < 2**31 and len(key.secret) == 32 for key in keys)
