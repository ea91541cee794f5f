"""Tables of the people around the farm: cases, strikes, bans, proposals, lists, pauses, inquiries."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.tables import metadata as metadata
from shared.tables import moment, serial_key, uuid_key

# What a person may have to look at: a refused prompt, a withheld or reported picture, a sample of the
# grey zone. `noted` ones wait for nobody; `hard` ones can be upheld alone.
cases = Table(
    "cases",
    metadata,
    uuid_key(),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="noted"),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("reporter_id", ForeignKey("accounts.id")),
    Column("guild_id", Text),
    Column("job_id", ForeignKey("jobs.id")),
    Column("picture", Integer),
    Column("verdict_id", ForeignKey("verdicts.id")),
    Column("category", Text, nullable=False),
    Column("rule", Text, nullable=False, server_default=""),
    Column("score", Float, nullable=False, server_default="0"),
    Column("hard", Boolean, nullable=False, server_default=text("false")),
    # What was typed and how to submit it again; gone when the retention is over.
    Column("prompt", Text),
    Column("words", Text),
    Column("submission", JSONB(none_as_null=True)),
    Column("route", JSONB(none_as_null=True)),
    Column("appeal", Text),
    Column("lifted_job_id", ForeignKey("jobs.id")),
    moment("at", now=True),
    moment("opened_at"),
    moment("decided_at"),
    Column("decided_by", Text),
    Column("note", Text),
    CheckConstraint("kind in ('prompt', 'picture', 'report', 'sample')", name="kind"),
    CheckConstraint("state in ('noted', 'open', 'upheld', 'lifted', 'expired')", name="state"),
    CheckConstraint("not (hard and state = 'lifted')", name="hard_is_never_lifted"),
    CheckConstraint(
        "(state in ('upheld', 'lifted')) = (decided_at is not null and decided_by is not null)",
        name="decided_by_somebody",
    ),
    CheckConstraint("kind <> 'report' or job_id is not null", name="report_names_a_job"),
    Index("ix_cases_queue", "guild_id", "state", "opened_at"),
    Index("ix_cases_account", "account_id", "at"),
    # One person reports one picture once.
    Index(
        "uq_cases_report",
        "reporter_id",
        "job_id",
        text("coalesce(picture, -1)"),
        unique=True,
        postgresql_where=text("kind = 'report'"),
    ),
)

strikes = Table(
    "strikes",
    metadata,
    serial_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("guild_id", Text),
    Column("case_id", ForeignKey("cases.id")),
    Column("job_id", ForeignKey("jobs.id")),
    Column("weight", Integer, nullable=False, server_default="1"),
    Column("category", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    moment("at", now=True),
    moment("expires_at"),
    moment("lifted_at"),
    Column("lifted_by", Text),
    CheckConstraint("weight >= 0", name="weight_not_negative"),
    Index("ix_strikes_account", "account_id", "expires_at"),
)

bans = Table(
    "bans",
    metadata,
    serial_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    # None: everywhere. A server's own moderators ban from that server alone.
    Column("guild_id", Text),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    moment("at", now=True),
    moment("until"),
    moment("lifted_at"),
    Column("lifted_by", Text),
    # A keyed hash of the Discord id of somebody who had themselves deleted, while this is in force.
    Column("mark", Text),
    CheckConstraint("kind in ('suspension', 'ban')", name="kind"),
    CheckConstraint("(lifted_at is null) = (lifted_by is null)", name="lifted_by_somebody"),
    Index("ix_bans_account", "account_id", postgresql_where=text("lifted_at is null")),
    Index("ix_bans_mark", "mark", postgresql_where=text("mark is not null")),
)

# What two people decide: proposed by one, approved by another.
proposals = Table(
    "proposals",
    metadata,
    serial_key(),
    Column("action", Text, nullable=False),
    Column("guild_id", Text),
    Column("detail", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("proposed_by", Text, nullable=False),
    moment("at", now=True),
    moment("expires_at"),
    Column("decided_by", Text),
    moment("decided_at"),
    CheckConstraint("action in ('unban', 'policy')", name="action"),
    CheckConstraint("state in ('open', 'approved', 'rejected', 'expired')", name="state"),
    CheckConstraint(
        "state <> 'approved' or (decided_by is not null and decided_by <> proposed_by)",
        name="two_people",
    ),
)

guild_policies = Table(
    "guild_policies",
    metadata,
    serial_key(),
    Column("guild_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("bands", JSONB, nullable=False),
    Column("proposal_id", ForeignKey("proposals.id"), nullable=False),
    moment("at", now=True),
    CheckConstraint("number > 0", name="number"),
    UniqueConstraint("guild_id", "number"),
)

# Discord roles that make somebody a viewer, a moderator or an admin of Pictor on that server.
staff_roles = Table(
    "staff_roles",
    metadata,
    Column("guild_id", Text, primary_key=True),
    Column("role_id", Text, primary_key=True),
    Column("rank", Text, nullable=False),
    Column("actor", Text, nullable=False),
    moment("at", now=True),
    CheckConstraint("rank in ('viewer', 'moderator', 'admin')", name="rank"),
)

# Where a server's moderators hear of alerts, and how far they have heard (a link of the audit chain).
staff_channels = Table(
    "staff_channels",
    metadata,
    Column("guild_id", Text, primary_key=True),
    Column("channel_id", Text, nullable=False),
    Column("told", BigInteger, nullable=False, server_default="0"),
    Column("actor", Text, nullable=False),
    moment("at", now=True),
)

blocked_terms = Table(
    "blocked_terms",
    metadata,
    serial_key(),
    Column("guild_id", Text),
    Column("term", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("strength", Text, nullable=False),
    Column("actor", Text, nullable=False),
    moment("at", now=True),
    moment("removed_at"),
    Column("removed_by", Text),
    CheckConstraint("strength in ('explicit', 'strong', 'weak')", name="strength"),
    Index(
        "uq_blocked_terms_in_force",
        text("coalesce(guild_id, '')"),
        "term",
        unique=True,
        postgresql_where=text("removed_at is null"),
    ),
)

known_hashes = Table(
    "known_hashes",
    metadata,
    Column("algorithm", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("category", Text, nullable=False, server_default="known"),
    Column("list_name", Text, nullable=False),
    Column("actor", Text, nullable=False),
    moment("at", now=True),
    CheckConstraint("algorithm in ('sha256', 'md5', 'pdq')", name="algorithm"),
)

pauses = Table(
    "pauses",
    metadata,
    # everywhere, safety, or guild:<id>
    Column("scope", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    moment("at", now=True),
)

# Each audit row's link: the hash of the link before it and of the row. Written by a trigger at commit.
audit_chain = Table(
    "audit_chain",
    metadata,
    serial_key(),
    Column("audit_id", ForeignKey("audit.id"), nullable=False, unique=True),
    Column("hash", Text, nullable=False),
)

# Pictures that somebody wants to know about (/verify); the file lies in the store until it is answered.
inquiries = Table(
    "inquiries",
    metadata,
    uuid_key(),
    Column("account_id", ForeignKey("accounts.id")),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("answer", JSONB),
    moment("at", now=True),
    moment("taken_at"),
    moment("answered_at"),
    CheckConstraint("state in ('open', 'answered', 'failed')", name="state"),
    Index("ix_inquiries_open", "at", postgresql_where=text("state = 'open'")),
)

# How a delivered picture is found again by its looks, and by the mark in its pixels.
fingerprints = Table(
    "fingerprints",
    metadata,
    serial_key(),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("picture", Integer, nullable=False),
    Column("code", BigInteger, nullable=False),
    Column("looks", BigInteger, nullable=False),
    moment("at", now=True),
    UniqueConstraint("job_id", "picture"),
    Index("ix_fingerprints_code", "code"),
)
