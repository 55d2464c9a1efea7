"""Alembic's environment: one transaction for all pending revisions, one gateway at a time."""

from alembic import context
from sqlalchemy import text

_LOCK = 0x6C616B65

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="migration", version_table_schema="lakegate")
with context.begin_transaction():
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS lakegate"))
    context.run_migrations()
connection.commit()
