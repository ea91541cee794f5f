"""Every table. The constraints carry the promises; the code above them may be wrong, the rows may not."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def uuid_key() -> Column[object]:
    return Column(
        "id", UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()")
    )


def serial_key() -> Column[int]:
    return Column("id", BigInteger, primary_key=True, autoincrement=True)


def moment(name: str, *, now: bool = False) -> Column[object]:
    default = func.clock_timestamp() if now else None
    return Column(name, DateTime(timezone=True), nullable=not now, server_default=default)


accounts = Table(
    "accounts",
    metadata,
    uuid_key(),
    Column("discord_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("standing", Text, nullable=False, server_default="good"),
    Column("default_speed", Text),
    moment("created_at", now=True),
    CheckConstraint("standing in ('good', 'suspended', 'banned')", name="standing"),
    CheckConstraint("default_speed in ('turbo', 'fast', 'relax')", name="default_speed"),
)

plans_in_force = Table(
    "plans_in_force",
    metadata,
    serial_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("plan", Text, nullable=False),
    moment("since", now=True),
    moment("until"),
    CheckConstraint("until is null or until >= since", name="until_after_since"),
    # One open plan for an account; a change closes the old row in the same transaction.
    Index(
        "uq_plans_in_force_open", "account_id", unique=True, postgresql_where=text("until is null")
    ),
)

balances = Table(
    "balances",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("available_ms", BigInteger, nullable=False, server_default="0"),
    Column("held_ms", BigInteger, nullable=False, server_default="0"),
    # The part of what is available that ends with the month, and when; the rest never does.
    Column("expiring_ms", BigInteger, nullable=False, server_default="0"),
    moment("expires_at"),
    # Months are counted from the anchor; this one's pot began at `month_since` (of a hold from before it,
    # nothing of that month comes back), and its grants add up to `month_ms`.
    moment("month_anchor"),
    moment("month_since"),
    Column("month_ms", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("available_ms >= 0", name="available_not_negative"),
    CheckConstraint("held_ms >= 0", name="held_not_negative"),
    CheckConstraint(
        "expiring_ms >= 0 and expiring_ms <= available_ms", name="expiring_is_available"
    ),
    CheckConstraint("expiring_ms = 0 or expires_at is not null", name="expiring_has_an_end"),
    CheckConstraint(
        "(expires_at is null) = (month_anchor is null) and (expires_at is null) = (month_since is null)",
        name="month_whole",
    ),
    Index("ix_balances_over", "expires_at", postgresql_where=text("expiring_ms > 0")),
)

jobs = Table(
    "jobs",
    metadata,
    uuid_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("plan", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("speed", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("spec", JSONB, nullable=False),
    Column("spec_sha256", Text, nullable=False),
    Column("submission_key", Text, nullable=False, unique=True),
    Column("parent_id", ForeignKey("jobs.id")),
    Column("parent_index", Integer),
    Column("estimate_ms", BigInteger, nullable=False),
    # From the grey zone: its pictures are judged strictly. And where it was asked for.
    Column("strict", Boolean, nullable=False, server_default=text("false")),
    Column("guild_id", Text),
    Column("channel_id", Text),
    # How its verb was meant (subtle, strong, left, 1.5x, remix), and who may see it beside its owner.
    Column("manner", Text, nullable=False, server_default=""),
    Column("visibility", Text, nullable=False, server_default="public"),
    # Of a GPU-millisecond, as it was told when the job was accepted; null: by the plans file.
    Column("price", Float),
    # Of what was asked, so that its key serves for nothing else; and the pictures that somebody brought.
    Column("asked_sha256", Text),
    Column("uploads", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # Cancelled then, unless it is finished; and what whoever asked wants told back with it.
    moment("cancel_at"),
    Column("memo", Text, nullable=False, server_default=""),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("worker", Text),
    moment("lease_until"),
    moment("submitted_at", now=True),
    moment("dispatched_at"),
    moment("started_at"),
    moment("finished_at"),
    Column("gpu_ms", BigInteger),
    Column("charged_ms", BigInteger),
    Column("timings", JSONB, nullable=False, server_default="{}"),
    Column("error_code", Text),
    Column("error_sentence", Text),
    Column("passed_verdict", BigInteger),
    Column("passed_decision", Text, Computed("'allow'", persisted=True)),
    Column("passed_pixels", Boolean, Computed("true", persisted=True)),
    CheckConstraint(
        "kind in ('imagine','vary','upscale','zoom','pan','square','region','blend')", name="kind"
    ),
    CheckConstraint("visibility in ('public', 'stealth')", name="visibility"),
    CheckConstraint("price >= 0", name="price_not_negative"),
    CheckConstraint(
        "state in ('waiting','dispatched','running','succeeded','failed','blocked','cancelled')",
        name="state",
    ),
    CheckConstraint("speed in ('turbo', 'fast', 'relax')", name="speed"),
    CheckConstraint("estimate_ms >= 0", name="estimate_not_negative"),
    CheckConstraint(
        "attempt >= 0 and crashes >= 0 and crashes <= attempt", name="attempts_counted"
    ),
    CheckConstraint(
        "kind in ('imagine', 'blend') or (parent_id is not null and parent_index is not null)",
        name="lineage",
    ),
    CheckConstraint(
        "state <> 'succeeded' or passed_verdict is not null", name="no_success_without_verdict"
    ),
    CheckConstraint(
        "(state in ('succeeded','failed','blocked','cancelled')) = (finished_at is not null)",
        name="finished_at",
    ),
    CheckConstraint(
        "state not in ('dispatched','running') or (worker is not null and lease_until is not null)",
        name="leased",
    ),
    CheckConstraint(
        "state <> 'waiting' or (worker is null and lease_until is null)", name="not_leased"
    ),
    CheckConstraint("(charged_ms is null) = (finished_at is null)", name="charged_at_the_end"),
    CheckConstraint(
        "charged_ms is null or charged_ms = 0 or state = 'succeeded'", name="only_success_costs"
    ),
    CheckConstraint("charged_ms >= 0 and gpu_ms >= 0", name="measured_not_negative"),
    CheckConstraint(
        "state not in ('failed','blocked') or error_sentence is not null", name="failure_explained"
    ),
    # The verdict that lets a job succeed must be this job's own, about pixels, and must say allow.
    ForeignKeyConstraint(
        ["passed_verdict", "id", "passed_decision", "passed_pixels"],
        ["verdicts.id", "verdicts.job_id", "verdicts.decision", "verdicts.pixels"],
        name="fk_jobs_passed_verdict",
        use_alter=True,
    ),
    Index("ix_jobs_open", "state", "submitted_at", postgresql_where=text("finished_at is null")),
    Index("ix_jobs_account", "account_id", "submitted_at"),
    Index("ix_jobs_parent", "parent_id"),
    Index("ix_jobs_guild", "guild_id", "submitted_at"),
    Index(
        "ix_jobs_cancel_at",
        "cancel_at",
        postgresql_where=text("cancel_at is not null and finished_at is null"),
    ),
    Index(
        "ix_jobs_spec",
        "account_id",
        "spec_sha256",
        postgresql_where=text("state = 'succeeded'"),
    ),
    Index(
        "ix_jobs_uploads",
        "uploads",
        postgresql_using="gin",
        postgresql_where=text("uploads <> '{}'"),
    ),
)

# Written by a trigger, so that no code can forget it: what became of each job, for people and proofs.
transitions = Table(
    "transitions",
    metadata,
    serial_key(),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("worker", Text),
    moment("at", now=True),
    Index("ix_transitions_job", "job_id", "id"),
)

ledger = Table(
    "ledger",
    metadata,
    serial_key(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("job_id", ForeignKey("jobs.id")),
    Column("kind", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount_ms", BigInteger, nullable=False),
    Column("entry_key", Text, nullable=False, unique=True),
    # The part of it that ends with its month: what a hold took of it goes back there.
    Column("expiring_ms", BigInteger, nullable=False, server_default="0"),
    Column("note", Text),
    moment("at", now=True),
    CheckConstraint(
        "kind in ('grant', 'revoke', 'expire', 'hold', 'settle', 'release')", name="kind"
    ),
    CheckConstraint("amount_ms >= 0", name="amount_not_negative"),
    CheckConstraint("(kind in ('grant', 'revoke', 'expire')) = (job_id is null)", name="job_named"),
    # Each kind moves money between its own two sides, and only between those of its account.
    CheckConstraint(
        "(kind, debit, credit) in ("
        "('grant', 'issued', 'available:' || account_id::text), "
        "('revoke', 'available:' || account_id::text, 'issued'), "
        "('expire', 'available:' || account_id::text, 'issued'), "
        "('hold', 'available:' || account_id::text, 'held:' || account_id::text), "
        "('settle', 'held:' || account_id::text, 'spent'), "
        "('release', 'held:' || account_id::text, 'available:' || account_id::text))",
        name="two_sides",
    ),
    Index("ix_ledger_account", "account_id", "id"),
    Index("ix_ledger_at", "at"),
    Index(
        "uq_ledger_job_kind",
        "job_id",
        "kind",
        unique=True,
        postgresql_where=text("job_id is not null"),
    ),
)

verdicts = Table(
    "verdicts",
    metadata,
    serial_key(),
    Column("job_id", ForeignKey("jobs.id")),
    Column("account_id", ForeignKey("accounts.id")),
    Column("subject", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column(
        "pixels", Boolean, Computed("subject in ('image', 'job')", persisted=True), nullable=False
    ),
    Column("category", Text, nullable=False, server_default="none"),
    Column("score", Float, nullable=False, server_default="0"),
    Column("rule", Text, nullable=False, server_default=""),
    Column("sha256", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("scores", JSONB, nullable=False, server_default="{}"),
    Column("attempt", Integer),
    moment("at", now=True),
    CheckConstraint("subject in ('prompt', 'upload', 'image', 'job')", name="subject"),
    CheckConstraint("decision in ('allow', 'review', 'block')", name="decision"),
    CheckConstraint("subject in ('prompt', 'upload') or job_id is not null", name="job_named"),
    UniqueConstraint("id", "job_id", "decision", "pixels"),
    Index("ix_verdicts_job", "job_id"),
    Index("ix_verdicts_at", "at"),
)

assets = Table(
    "assets",
    metadata,
    serial_key(),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("index", Integer, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("mime", Text, nullable=False),
    Column("verdict_id", BigInteger, nullable=False),
    Column("verdict_decision", Text, Computed("'allow'", persisted=True), nullable=False),
    Column("verdict_pixels", Boolean, Computed("true", persisted=True), nullable=False),
    moment("at", now=True),
    # Taken back by a moderator, a ban or its owner: nobody is shown it from then on. The file goes
    # right after, and the row remembers that it was.
    moment("withdrawn_at"),
    moment("removed_at"),
    CheckConstraint("kind in ('grid', 'image', 'recipe')", name="kind"),
    CheckConstraint(
        "index >= 0 and size > 0 and ((width > 0 and height > 0) or kind = 'recipe')",
        name="measures",
    ),
    # Nothing is stored for the public without an allow verdict on pixels of the same job.
    ForeignKeyConstraint(
        ["verdict_id", "job_id", "verdict_decision", "verdict_pixels"],
        ["verdicts.id", "verdicts.job_id", "verdicts.decision", "verdicts.pixels"],
        name="fk_assets_verdict",
    ),
    UniqueConstraint("job_id", "kind", "index"),
    Index(
        "ix_assets_to_remove",
        "withdrawn_at",
        postgresql_where=text("withdrawn_at is not null and removed_at is null"),
    ),
    Index("ix_assets_sha256", "sha256"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("route", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("last_error", Text),
    moment("delivered_at"),
    moment("at", now=True),
    CheckConstraint("state in ('open', 'delivered', 'undeliverable')", name="state"),
    Index("ix_deliveries_open", "state", postgresql_where=text("state = 'open'")),
    Index("ix_deliveries_message", text("(route ->> 'message_id')")),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("device", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("checkpoints", JSONB, nullable=False, server_default="[]"),
    Column("draining", Boolean, nullable=False, server_default=text("false")),
    # For checkpoints on the device: the whole, and what nobody uses now. 0: not known.
    Column("vram_bytes", BigInteger, nullable=False, server_default="0"),
    Column("free_bytes", BigInteger, nullable=False, server_default="0"),
    moment("started_at", now=True),
    moment("seen_at", now=True),
    CheckConstraint("slots > 0", name="slots"),
)

audit = Table(
    "audit",
    metadata,
    serial_key(),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    moment("at", now=True),
    Index("ix_audit_subject", "subject", "id"),
)
