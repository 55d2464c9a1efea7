"""The scripts' own tools: bad scripts are refused by line, and a comparison sees what it must."""

from collections.abc import Mapping

import pytest

from tests.conformance.pgwire.sayings import say
from tests.conformance.pgwire.script import BadScript, Script, parse_script
from tests.conformance.pgwire.transcript import Heard, compare

LOGIN = "# A subject.\nlogin\n"
REPORT = {"C": "42601", "H": "Try again.", "M": "no"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("login\n", "a script has a subject"),
        ("# A subject.\nSync\n", "hears something"),
        ("# A subject.\n    indented\n", "line 2"),
        (LOGIN + 'Query: ok\nParse "\n', "line 4"),
        (LOGIN + "Sync\ndiffers ErrorResponse.H because of that\n", "line 4: a difference follows what hears it"),
        (LOGIN + "differs ErrorResponse.H\n", "line 3: a difference is listed as"),
        (LOGIN + "mask: (\n", "line 3"),
    ],
)
def test_bad_scripts(text: str, complaint: str) -> None:
    with pytest.raises(BadScript, match=complaint):
        parse_script(text)


@pytest.mark.parametrize(
    "line", ["Shout: SELECT 1", "Parse types=int5: SELECT 1", "Bind: int4", "Bind: int4 x", "bytes: 0", "bytes: int8=1"]
)
def test_what_cannot_be_said(line: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        say(parse_script(LOGIN + line).steps[-1])


@pytest.mark.parametrize(
    ("line", "content"),
    [
        ("Query: SELECT ':'", b"Q\0\0\0\x0fSELECT ':'\0"),
        ("Query\n    SELECT 1;\n    SELECT 2", b"Q\0\0\0\x17SELECT 1;\nSELECT 2\0"),
        ('Describe statement=""', b"D\0\0\0\x06S\0"),
        ("Execute portal=p max_rows=-1", b"E\0\0\0\x0ap\0\xff\xff\xff\xff"),
        ("Bind formats=binary: int4 1 | null", b"B\0\0\0\x1a\0\0\0\1\0\1\0\2\0\0\0\4\0\0\0\1\xff\xff\xff\xff\0\0"),
        ('frame type=0a length=-1: "a" 00 int16=-2 ff*2', b"\x0a\xff\xff\xff\xffa\0\xff\xfe\xff\xff"),
        ("packet: int32=196608", b"\0\0\0\x08\0\3\0\0"),
    ],
)
def test_what_is_said(line: str, content: bytes) -> None:
    assert say(parse_script(LOGIN + line).steps[-1]) == content


def complaints(line: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    script: Script = parse_script(f"# A subject.\nreceive\n{line}")
    return compare(script, [[Heard("ErrorResponse", ours)]], [[Heard("ErrorResponse", theirs)]])


def test_equal_answers() -> None:
    assert complaints("", REPORT, REPORT) == []
    assert complaints("mask: \\d+", {**REPORT, "C": "0"}, REPORT) == []


def test_a_difference_is_seen() -> None:
    (seen,) = complaints("", {**REPORT, "H": "Give up."}, REPORT)
    assert "-ErrorResponse" in seen
    assert "+ErrorResponse" in seen


def test_a_listed_difference() -> None:
    listed = "differs ErrorResponse.H because it helps"
    assert complaints(listed, {**REPORT, "H": "Give up."}, REPORT) == []
    assert complaints(listed, REPORT, REPORT) == ["line 2: a> receive: the listed difference in ErrorResponse is gone"]
    assert len(complaints(listed, {**REPORT, "H": "Give up.", "M": "yes"}, REPORT)) == 1
