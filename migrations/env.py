"""How Alembic reaches the database: `migrations.run` hands over a connection, the CLI a URL from Settings."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.config import Settings
from shared.connections import database_url
from shared.doortables import metadata

# Two processes that migrate at once take turns (any constant number; this one is ours).
MIGRATION_LOCK = 7_042_018


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(text(f"select pg_advisory_xact_lock({MIGRATION_LOCK})"))
        context.run_migrations()


async def connect_and_migrate() -> None:
    engine = create_async_engine(database_url(Settings().database), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)


if (given := context.config.attributes.get("connection")) is not None:
    migrate(given)
elif context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata)
    context.run_migrations()
else:
    asyncio.run(connect_and_migrate())
