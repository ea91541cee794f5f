"""Tables of the doors beside Discord: keys, webhooks and what they were sent, adapters that people brought,
tasks of clients that speak the proxy's dialect."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables import moment, serial_key, uuid_key
from shared.tradetables import metadata as metadata

# A key is shown once: what is kept is its beginning, to know it by, and its HMAC. On a server (`guild_id`) it
# is worth what its owner was there when the bot last saw them (`seen_at`): plan, roles and rank.
api_keys = Table(
    "api_keys",
    metadata,
    uuid_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("guild_id", Text),
    Column("plan", Text, nullable=False, server_default=""),
    Column("roles", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("rank", Integer, nullable=False, server_default="0"),
    moment("seen_at", now=True),
    moment("created_at", now=True),
    moment("expires_at"),
    moment("last_used_at"),
    moment("revoked_at"),
    CheckConstraint("rank between 0 and 3", name="rank"),
    Index("ix_api_keys_account", "account_id"),
)

# An address that is told of jobs: of all of an account's, or of the one job (`job_id`) it was named with. Its
# secret is derived (shared.hooks), so `generation` is all that is kept of it. One that is off is told nothing
# until it is switched on again; one that ended is gone.
webhooks = Table(
    "webhooks",
    metadata,
    uuid_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("job_id", ForeignKey("jobs.id")),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("dialect", Text, nullable=False, server_default="pictor"),
    Column("generation", Integer, nullable=False, server_default="0"),
    moment("created_at", now=True),
    moment("rotated_at"),
    moment("failing_since"),
    moment("off_at"),
    Column("off_because", Text),
    moment("ended_at"),
    CheckConstraint("dialect in ('pictor', 'mj')", name="dialect"),
    CheckConstraint("(off_at is null) = (off_because is null)", name="off"),
    Index(
        "ix_webhooks_account",
        "account_id",
        postgresql_where=text("ended_at is null and job_id is null"),
    ),
    Index("ix_webhooks_job", "job_id", postgresql_where=text("job_id is not null")),
)

# What signs for the webhooks that single jobs name: one secret of an account. No row: generation 0.
hook_secrets = Table(
    "hook_secrets",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("generation", Integer, nullable=False, server_default="0"),
    moment("rotated_at"),
)

# Written by the trigger that writes the transition, in its transaction: none is forgotten. The receiver knows
# a repeat by its id. A ping is of no job.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    serial_key(),
    Column("webhook_id", ForeignKey("webhooks.id"), nullable=False),
    Column("job_id", ForeignKey("jobs.id")),
    Column("transition_id", ForeignKey("transitions.id")),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("status", Integer),
    Column("error", Text),
    moment("at", now=True),
    moment("next_at", now=True),
    moment("first_at"),
    moment("ended_at"),
    UniqueConstraint("webhook_id", "transition_id"),
    CheckConstraint("state in ('open', 'delivered', 'given_up')", name="state"),
    CheckConstraint("(state = 'open') = (ended_at is null)", name="ended"),
    CheckConstraint(
        "(event = 'ping') = (job_id is null) and (job_id is null) = (transition_id is null)",
        name="ping",
    ),
    Index("ix_webhook_deliveries_due", "next_at", postgresql_where=text("state = 'open'")),
    Index("ix_webhook_deliveries_order", "webhook_id", "job_id", "id"),
    Index("ix_webhook_deliveries_log", "webhook_id", "id"),
)

# Adapters that people brought: weights that passed the sandbox, in the store under `key`. Recipes name one by
# its `handle`, which is never given twice. Others see a public one once a moderator has approved it.
loras = Table(
    "loras",
    metadata,
    uuid_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("guild_id", Text),
    Column("name", Text, nullable=False),
    Column("handle", Text, nullable=False, unique=True),
    Column("checkpoint", Text, nullable=False),
    Column("trigger", Text, nullable=False, server_default=""),
    Column("licence", Text, nullable=False, server_default=""),
    Column("key", Text, nullable=False, unique=True),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("visibility", Text, nullable=False, server_default="own"),
    moment("created_at", now=True),
    moment("approved_at"),
    moment("removed_at"),
    CheckConstraint("size > 0", name="size"),
    CheckConstraint("visibility in ('own', 'public')", name="visibility"),
    Index(
        "uq_loras_name",
        "account_id",
        "name",
        unique=True,
        postgresql_where=text("removed_at is null"),
    ),
    Index(
        "ix_loras_public",
        "name",
        postgresql_where=text("visibility = 'public' and removed_at is null"),
    ),
)

# What an admin wants a worker to have at hand, or not: carried out once, or refused with a reason.
wishes = Table(
    "wishes",
    metadata,
    uuid_key(),
    Column("worker", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("detail", Text, nullable=False, server_default=""),
    moment("at", now=True),
    moment("ended_at"),
    CheckConstraint("kind in ('checkpoint', 'lora')", name="kind"),
    CheckConstraint("action in ('load', 'unload')", name="action"),
    CheckConstraint("state in ('open', 'done', 'refused')", name="state"),
    CheckConstraint("(state = 'open') = (ended_at is null)", name="ended"),
    Index("ix_wishes_open", "worker", "at", postgresql_where=text("state = 'open'")),
    Index("ix_wishes_name", "kind", "name", "at"),
)

# What a client of the proxy's dialect asked for: a job, a text, or a form that waits for its words.
tasks = Table(
    "tasks",
    metadata,
    serial_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("job_id", ForeignKey("jobs.id")),
    Column("action", Text, nullable=False),
    Column("prompt", Text, nullable=False, server_default=""),
    Column("memo", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="submitted"),
    Column("told", JSONB, nullable=False, server_default="{}"),
    moment("submitted_at", now=True),
    moment("started_at"),
    moment("finished_at"),
    CheckConstraint("state in ('submitted', 'modal', 'done', 'failed')", name="state"),
    Index("ix_tasks_account", "account_id", "id"),
    Index("ix_tasks_job", "job_id"),
)
