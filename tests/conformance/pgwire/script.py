"""The grammar of message scripts: what is said to a server, by whom, and when to listen; never what it answers.

A line is a step. It names who speaks if there are several (``b> ``), what it says or does, fields, and a body that may
go on in indented lines::

    # A portal stops at its limit.               the first comment is the subject; all others are for readers
    login version=3.0                            start-up, SCRAM, and all up to ReadyForQuery
    Parse statement=q types=int4: SELECT $1      any message of the frontend, by its name
    Bind statement=q: text 7 | null              a value: its type, and how it is spelled (`spelling`)
    Describe portal=""
    Execute max_rows=1
    Sync
    receive                                      up to ReadyForQuery; `receive 2`: to the second
    receive ErrorResponse                        up to that message; `receive end`: until the server hangs up
    frame type=Q length=3: "SELECT 1" 00         a frame with any type, length and bytes; `packet`: one without a type
    bytes: int32=8 int16=1234 ff                 any bytes
    SSLRequest / encrypt                         asks for TLS; speaks it from now on, if that was granted
    b> CancelRequest of=a                        with the key that `a` was given, or `secret=`, `pid=`
    until active                                 waits until the server shows this session at work
    close                                        leaves without a word

`differs KIND because REASON`, after a `receive` or `login`, lists a difference in what was heard there: messages of
that kind, or one field of them (``ErrorResponse.H``). `mask: REGEX` hides what rightly varies from run to run.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LISTENS = frozenset({"login", "receive"})
"""The steps that hear something."""

_STEP = re.compile(r'(?:(\w+)> )?((?:"[^"]*"|[^":])+)(?::(?: (.*))?)?')
_DIFFERENCE = re.compile(r"differs (\w+)(?:\.(\w+))? because (.+)")


class BadScript(ValueError):
    """A script is not as the grammar has it: says the file and the line."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Messages of a kind (or one field of theirs) that the gateway gives otherwise than PostgreSQL, for that reason."""

    kind: str
    field: str | None
    reason: str


@dataclass(slots=True)
class Step:
    """A line: who does what, its fields, words without a value, and the body."""

    line: int
    speaker: str
    verb: str
    fields: Mapping[str, str]
    words: tuple[str, ...]
    body: str
    differences: list[Difference] = field(default_factory=list)

    def __str__(self) -> str:
        return f"line {self.line}: {self.speaker}> {self.verb}"


@dataclass(frozen=True, slots=True)
class Script:
    """`masks` are hidden wherever they are heard."""

    subject: str
    steps: tuple[Step, ...]
    masks: tuple[re.Pattern[str], ...]

    @property
    def differences(self) -> Iterator[Difference]:
        return (difference for step in self.steps for difference in step.differences)


def read_script(path: Path) -> Script:
    """Raises BadScript."""
    return parse_script(path.read_text(), path.name)


def parse_script(text: str, name: str = "script") -> Script:
    """Raises BadScript, which begins with that name."""
    subject, steps, masks = "", list[Step](), list[re.Pattern[str]]()
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.startswith("#"):
                subject = subject or line.strip("# ")
            elif line.startswith(" "):
                steps[-1].body = f"{steps[-1].body}\n{line.strip()}".lstrip("\n")
            elif line.startswith("differs "):
                _listening(steps).differences.append(_read_difference(line))
            elif line.startswith("mask: "):
                masks.append(re.compile(line.removeprefix("mask: ")))
            elif line:
                steps.append(_read_step(number, line))
        except (ValueError, IndexError, re.error) as error:
            raise BadScript(f"{name}, line {number}: {error}") from error
    if not subject or not any(step.verb in LISTENS for step in steps):
        raise BadScript(f"{name}: a script has a subject, and hears something")
    return Script(subject, tuple(steps), tuple(masks))


def _read_step(number: int, line: str) -> Step:
    match = _STEP.fullmatch(line)
    if match is None:
        raise ValueError("not a step")
    speaker, head, body = match.groups()
    verb, *words = shlex.split(head)
    fields = dict(word.split("=", 1) for word in words if "=" in word)
    return Step(number, speaker or "a", verb, fields, tuple(w for w in words if "=" not in w), body or "")


def _read_difference(line: str) -> Difference:
    match = _DIFFERENCE.fullmatch(line)
    if match is None:
        raise ValueError("a difference is listed as: differs KIND[.FIELD] because REASON")
    return Difference(match[1], match[2], match[3])


def _listening(steps: list[Step]) -> Step:
    if not steps or steps[-1].verb not in LISTENS:
        raise ValueError("a difference follows what hears it")
    return steps[-1]
