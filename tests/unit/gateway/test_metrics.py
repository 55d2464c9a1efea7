"""What Prometheus is told."""

from urllib.request import urlopen

from gateway.metrics import published


def read(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_sessions_are_counted_when_asked() -> None:
    sessions: list[str] = []
    with published("127.0.0.1", 0, sessions.__len__) as port:
        assert read(port)["lakegate_sessions"] == 0
        sessions += ["ada", "bob"]
        told = read(port)
    assert told["lakegate_sessions"] == 2
    assert told["process_resident_memory_bytes"] > 0


def test_the_address_is_free_again() -> None:
    with published("127.0.0.1", 0, lambda: 0) as port:
        pass
    with published("127.0.0.1", port, lambda: 1):
        assert read(port)["lakegate_sessions"] == 1
