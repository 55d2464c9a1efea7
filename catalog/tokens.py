"""Personal access tokens: made and revoked. A token is a password with an end and with limits of its own.

What is kept of one is a SCRAM verifier, so it can be used wherever a password is asked for and never leaves its owner.
SCRAM names the salt before the client shows anything, so that all that one principal may show shares one: the
principal's, derived from a secret of the account, or its password's where that came as a ready verifier.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from catalog.connection import Connection
from catalog.errors import ObjectNotInPrerequisiteState, ProgramLimitExceeded, UndefinedObject
from catalog.principals import list_tokens
from catalog.verifier import ITERATIONS, build_verifier, is_verifier, read_salt

MOST_TOKENS = 50
"""Of a principal, expired ones not counted. Each makes its log-ins some microseconds longer."""
PREFIX = "lgp"
_ID_BYTES, _SECRET_BYTES = 6, 32


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token to be made. `workspaces` None stands for all."""

    principal: str
    label: str
    lifetime: timedelta
    workspaces: Sequence[str] | None = None
    read_only: bool = False


async def make_token(connection: Connection, request: TokenRequest, derived_salt: bytes) -> str:
    """The token's text, which is nowhere else from then on. Raises UndefinedObject, ProgramLimitExceeded."""
    found = await connection.execute(
        "SELECT verifier FROM lakegate.principals WHERE name = %s AND login", (request.principal,)
    )
    principal = await found.fetchone()
    if principal is None:
        raise UndefinedObject(f'role "{request.principal}" does not exist, or may not log in')
    await _refuse_too_many(connection, request.principal)
    await _check_workspaces(connection, request.workspaces or ())
    iterations, salt = await find_salt(connection, request.principal) or (ITERATIONS, derived_salt)
    token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    text = f"{PREFIX}_{token_id}_{secret}"
    verifier = await asyncio.to_thread(build_verifier, text, salt=salt, iterations=iterations)
    await connection.execute(
        """INSERT INTO lakegate.tokens (id, principal, label, verifier, workspaces, read_only, expires_at)
           VALUES (%s, %s, %s, %s, %s, %s, now() + %s)""",
        (
            token_id,
            request.principal,
            request.label,
            verifier,
            None if request.workspaces is None else list(request.workspaces),
            request.read_only,
            request.lifetime,
        ),
    )
    return text


async def revoke_token(connection: Connection, token_id: str) -> None:
    """Raises UndefinedObject."""
    if (await connection.execute("DELETE FROM lakegate.tokens WHERE id = %s", (token_id,))).rowcount == 0:
        raise UndefinedObject(f'there is no access token "{token_id}"')


async def find_salt(connection: Connection, principal: str) -> tuple[int, bytes] | None:
    """Iterations and salt that a new secret of the principal must have; None where it has none yet."""
    rows = await connection.execute(
        """SELECT verifier FROM lakegate.tokens WHERE principal = %s AND expires_at > now()
           UNION ALL SELECT verifier FROM lakegate.principals WHERE name = %s AND verifier IS NOT NULL LIMIT 1""",
        (principal, principal),
    )
    row = await rows.fetchone()
    return None if row is None else read_salt(row[0])


async def renew_verifier(connection: Connection, principal: str, password: str) -> str:
    """The verifier of a new password, under the salt that its principal's secrets share.

    Raises ObjectNotInPrerequisiteState for a ready verifier that would make the principal's tokens useless.
    """
    if not is_verifier(password):
        iterations, salt = await find_salt(connection, principal) or (ITERATIONS, None)
        return await asyncio.to_thread(build_verifier, password, salt=salt, iterations=iterations)
    living = [token for token in await list_tokens(connection) if token.principal == principal]
    if any(read_salt(token.verifier) != read_salt(password) for token in living):
        raise ObjectNotInPrerequisiteState(
            f'role "{principal}" has access tokens, which a ready SCRAM verifier with another salt would make useless',
            hint="Send the password itself, by ALTER ROLE … PASSWORD '…' over TLS, or revoke the tokens before.",
        )
    return password


async def _refuse_too_many(connection: Connection, principal: str) -> None:
    await connection.execute("DELETE FROM lakegate.tokens WHERE expires_at <= now()")
    rows = await connection.execute("SELECT count(*) FROM lakegate.tokens WHERE principal = %s", (principal,))
    counted = await rows.fetchone()
    if counted is not None and counted[0] >= MOST_TOKENS:
        raise ProgramLimitExceeded(f'role "{principal}" has {MOST_TOKENS} access tokens already', hint="Revoke some.")


async def _check_workspaces(connection: Connection, names: Sequence[str]) -> None:
    query = "SELECT n FROM unnest(%s::text[]) n WHERE n NOT IN (SELECT name FROM lakegate.workspaces)"
    for (name,) in await (await connection.execute(query, (list(names),))).fetchall():
        raise UndefinedObject(f'workspace "{name}" does not exist')
