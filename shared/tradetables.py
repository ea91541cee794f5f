"""Tables of what people set, keep and buy: preferences, drafts, favourites, servers' settings, plans that were
given or bought, months that are closed."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.peopletables import metadata as metadata
from shared.tables import moment, serial_key, uuid_key

# What /settings and /prefer remember of one account, as JSON of shared.preferences.
preferences = Table(
    "preferences",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("chosen", JSONB, nullable=False, server_default="{}"),
    moment("changed_at", now=True),
)

# What somebody is about to ask for and has not confirmed: the count and price of many jobs, a region that
# is being tapped, words that a text service proposes. Buttons name it for ever; it is used once.
drafts = Table(
    "drafts",
    metadata,
    uuid_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("ask", JSONB, nullable=False),
    moment("at", now=True),
    moment("used_at"),
    Index("ix_drafts_account", "account_id", "at"),
)

favourites = Table(
    "favourites",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("index", Integer, primary_key=True),
    moment("at", now=True),
    CheckConstraint("index >= 0", name="index_counts"),
    Index("ix_favourites_account", "account_id", "at"),
)

# A server's own rules, as JSON of shared.guilds: channels, checkpoints, speeds, spoilers, by role or for all.
guild_settings = Table(
    "guild_settings",
    metadata,
    Column("guild_id", Text, primary_key=True),
    Column("chosen", JSONB, nullable=False, server_default="{}"),
    Column("changed_by", Text, nullable=False),
    moment("changed_at", now=True),
)

# Plans beside the one that a role gives: from an admin, a purchase or a trial.
plan_grants = Table(
    "plan_grants",
    metadata,
    serial_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("plan", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_key", Text, nullable=False, unique=True),
    moment("since", now=True),
    moment("until"),
    CheckConstraint("source in ('admin', 'entitlement', 'trial')", name="source"),
    Index("ix_plan_grants_account", "account_id"),
)

# What Discord sold. `id` is Discord's, so an entitlement counts once, however often it is told.
entitlements = Table(
    "entitlements",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", ForeignKey("accounts.id")),
    Column("user_id", Text),
    Column("guild_id", Text),
    Column("sku_id", Text, nullable=False),
    Column("test", Boolean, nullable=False, server_default=text("false")),
    moment("starts_at"),
    moment("ends_at"),
    moment("credited_at"),
    moment("consumed_at"),
    moment("gone_at"),
    moment("seen_at", now=True),
    CheckConstraint("consumed_at is null or credited_at is not null", name="credited_first"),
    Index("ix_entitlements_account", "account_id"),
)

# Months whose books are closed: what was told of them then must still be true.
closings = Table(
    "closings",
    metadata,
    Column("month", Text, primary_key=True),
    Column("totals", JSONB, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    moment("closed_at", now=True),
    CheckConstraint("month ~ '^[0-9]{4}-[0-9]{2}$'", name="month"),
)
