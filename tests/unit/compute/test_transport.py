"""The frame codec: what goes in comes out, in any chunks, and nothing beyond the bounds."""

import pyarrow as pa
import pytest

from compute.transport import CHUNK_BYTES, MAX_BODY, PREFIX, Decoder, Frame, FrameError, Kind, encode


def wire(frame: Frame) -> bytes:
    return b"".join(encode(frame))


def feed(decoder: Decoder, data: bytes, chunk: int) -> list[Frame]:
    frames: list[Frame] = []
    while data:
        view = decoder.writable()
        count = min(len(view), chunk, len(data))
        view[:count] = data[:count]
        data = data[count:]
        frames += decoder.wrote(count)
    return frames


FRAMES = [
    Frame(Kind.HELLO, control={"protocol": 1}),
    Frame(Kind.CANCEL, 7),
    Frame(Kind.BATCH, 7, body=pa.py_buffer(b"x" * 5000)),
    Frame(Kind.EXECUTE, 8, {"sql": "select 'ü'"}, pa.py_buffer(b"parameters")),
    Frame(Kind.BATCH, 8, body=pa.py_buffer(b"y" * 3 * CHUNK_BYTES)),
    Frame(Kind.READY),
]


@pytest.mark.parametrize("chunk", [1, 3, 13, 4096, 1 << 20])
def test_frames_survive_any_chunking(chunk: int) -> None:
    received = feed(Decoder(), b"".join(encode(*FRAMES)), chunk)
    assert [(f.kind, f.statement, dict(f.control)) for f in received] == [
        (f.kind, f.statement, dict(f.control)) for f in FRAMES
    ]
    assert [f.body and f.body.to_pybytes() for f in received] == [f.body and f.body.to_pybytes() for f in FRAMES]


@pytest.mark.parametrize(
    "data",
    [
        PREFIX.pack(99, 0, 0, 0),
        PREFIX.pack(Kind.BATCH, 1, 0, MAX_BODY + 1),
        PREFIX.pack(Kind.EXECUTE, 1, 0xFFFFFFFF, 0),
        PREFIX.pack(Kind.EXECUTE, 1, 3, 0) + b"{x}",
        PREFIX.pack(Kind.EXECUTE, 1, 2, 0) + b"[]",
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        feed(Decoder(), data, 4096)


def test_a_batch_is_read_in_place() -> None:
    """Arrow wants its buffers aligned: an unaligned one would be copied."""
    batch = pa.record_batch({"id": list(range(100))})
    [frame] = feed(Decoder(), wire(Frame(Kind.BATCH, 1, body=batch.serialize())), 1000)
    assert frame.body is not None
    assert frame.body.address % 64 == 0
    assert pa.ipc.read_record_batch(frame.body, batch.schema).equals(batch)
