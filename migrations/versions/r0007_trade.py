"""What people set, keep and buy: kinds of jobs, manners, visibility, months that end, preferences, drafts,
favourites, servers' settings, plans from many sources, entitlements, closed months."""

from alembic import op

from migrations.versions import r0005_people

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

KINDS = "'imagine','vary','upscale','zoom','pan','square','region','blend'"
COLUMNS = (
    "alter table jobs add column channel_id text",
    "alter table jobs add column manner text default '' not null",
    "alter table jobs add column visibility text default 'public' not null",
    """alter table jobs add constraint ck_jobs_visibility
        check (visibility in ('public', 'stealth'))""",
    "alter table jobs drop constraint ck_jobs_kind",
    f"alter table jobs add constraint ck_jobs_kind check (kind in ({KINDS}))",
    "alter table jobs drop constraint ck_jobs_lineage",
    """alter table jobs add constraint ck_jobs_lineage check (
        kind in ('imagine', 'blend') or (parent_id is not null and parent_index is not null))""",
    "alter table jobs add column asked_sha256 text",
    "alter table jobs add column uploads text[] default '{}' not null",
    "create index ix_jobs_uploads on jobs using gin (uploads) where uploads <> '{}'",
    "alter table balances add column expiring_ms bigint default '0' not null",
    "alter table balances add column expires_at timestamp with time zone",
    """alter table balances add constraint ck_balances_expiring_is_available
        check (expiring_ms >= 0 and expiring_ms <= available_ms)""",
    """alter table balances add constraint ck_balances_expiring_has_an_end
        check (expiring_ms = 0 or expires_at is not null)""",
    "alter table ledger add column expiring_ms bigint default '0' not null",
    "alter table balances add column month_anchor timestamp with time zone",
    "alter table balances add column month_since timestamp with time zone",
    "alter table balances add column month_ms bigint default '0' not null",
    """alter table balances add constraint ck_balances_month_whole check (
        (expires_at is null) = (month_anchor is null)
        and (expires_at is null) = (month_since is null))""",
    "alter table jobs add column price double precision",
    "alter table jobs add constraint ck_jobs_price_not_negative check (price >= 0)",
)
BACK = (
    "drop index ix_ledger_at",
    "alter table jobs drop constraint ck_jobs_price_not_negative",
    "alter table jobs drop column price",
    "alter table balances drop constraint ck_balances_month_whole",
    "drop index ix_balances_over",
    "alter table balances drop column month_ms",
    "alter table balances drop column month_since",
    "alter table balances drop column month_anchor",
    "alter table ledger drop column expiring_ms",
    "alter table balances drop constraint ck_balances_expiring_has_an_end",
    "alter table balances drop constraint ck_balances_expiring_is_available",
    "alter table balances drop column expires_at",
    "alter table balances drop column expiring_ms",
    "drop index ix_jobs_uploads",
    "alter table jobs drop column uploads",
    "alter table jobs drop column asked_sha256",
    "alter table jobs drop constraint ck_jobs_lineage",
    """alter table jobs add constraint ck_jobs_lineage
        check (kind = 'imagine' or (parent_id is not null and parent_index is not null))""",
    "alter table jobs drop constraint ck_jobs_kind",
    "alter table jobs add constraint ck_jobs_kind check (kind in ('imagine', 'vary', 'upscale'))",
    "alter table jobs drop constraint ck_jobs_visibility",
    "alter table jobs drop column visibility",
    "alter table jobs drop column manner",
    "alter table jobs drop column channel_id",
)

# What a month leaves over goes back to where it came from.
LEDGER_OPEN = r0005_people.LEDGER_OPEN
LEDGER_EXPIRES = (
    *LEDGER_OPEN,
    """alter table ledger add constraint ck_ledger_kind
        check (kind in ('grant', 'revoke', 'expire', 'hold', 'settle', 'release'))""",
    """alter table ledger add constraint ck_ledger_job_named
        check ((kind in ('grant', 'revoke', 'expire')) = (job_id is null))""",
    r0005_people.SIDES.format(
        revoke=r0005_people.REVOKE + " ('expire', 'available:' || account_id::text, 'issued'),"
    ),
)

TABLES = {
    "preferences": """
create table preferences (
    account_id uuid not null,
    chosen jsonb default '{}' not null,
    changed_at timestamp with time zone default clock_timestamp() not null,
    constraint pk_preferences primary key (account_id),
    constraint fk_preferences_account_id foreign key(account_id) references accounts (id)
)
""",
    "drafts": """
create table drafts (
    id uuid default gen_random_uuid() not null,
    account_id uuid not null,
    kind text not null,
    ask jsonb not null,
    at timestamp with time zone default clock_timestamp() not null,
    used_at timestamp with time zone,
    constraint pk_drafts primary key (id),
    constraint fk_drafts_account_id foreign key(account_id) references accounts (id)
)
""",
    "favourites": """
create table favourites (
    account_id uuid not null,
    job_id uuid not null,
    index integer not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_favourites primary key (account_id, job_id, index),
    constraint ck_favourites_index_counts check (index >= 0),
    constraint fk_favourites_account_id foreign key(account_id) references accounts (id),
    constraint fk_favourites_job_id foreign key(job_id) references jobs (id)
)
""",
    "guild_settings": """
create table guild_settings (
    guild_id text not null,
    chosen jsonb default '{}' not null,
    changed_by text not null,
    changed_at timestamp with time zone default clock_timestamp() not null,
    constraint pk_guild_settings primary key (guild_id)
)
""",
    "plan_grants": """
create table plan_grants (
    id bigserial not null,
    account_id uuid not null,
    plan text not null,
    source text not null,
    source_key text not null,
    since timestamp with time zone default clock_timestamp() not null,
    until timestamp with time zone,
    constraint pk_plan_grants primary key (id),
    constraint uq_plan_grants_source_key unique (source_key),
    constraint ck_plan_grants_source check (source in ('admin', 'entitlement', 'trial')),
    constraint fk_plan_grants_account_id foreign key(account_id) references accounts (id)
)
""",
    "entitlements": """
create table entitlements (
    id text not null,
    account_id uuid,
    user_id text,
    guild_id text,
    sku_id text not null,
    test boolean default false not null,
    starts_at timestamp with time zone,
    ends_at timestamp with time zone,
    credited_at timestamp with time zone,
    consumed_at timestamp with time zone,
    gone_at timestamp with time zone,
    seen_at timestamp with time zone default clock_timestamp() not null,
    constraint pk_entitlements primary key (id),
    constraint ck_entitlements_credited_first
        check (consumed_at is null or credited_at is not null),
    constraint fk_entitlements_account_id foreign key(account_id) references accounts (id)
)
""",
    "closings": """
create table closings (
    month text not null,
    totals jsonb not null,
    last_entry bigint not null,
    sha256 text not null,
    closed_at timestamp with time zone default clock_timestamp() not null,
    constraint pk_closings primary key (month),
    constraint ck_closings_month check (month ~ '^[0-9]{4}-[0-9]{2}$')
)
""",
}

INDEXES = (
    "create index ix_drafts_account on drafts (account_id, at)",
    "create index ix_favourites_account on favourites (account_id, at)",
    "create index ix_balances_over on balances (expires_at) where expiring_ms > 0",
    "create index ix_plan_grants_account on plan_grants (account_id)",
    "create index ix_entitlements_account on entitlements (account_id)",
    "create index ix_ledger_at on ledger (at)",
)

# (`strict` is in quotes: to plpgsql the bare word means something else.)
JOBS_MOVE = """
create or replace function jobs_move() returns trigger language plpgsql as $$
begin
    if current_setting('pictor.erasing', true) = 'on' and new.state = old.state then
        return new;
    end if;
    if old.finished_at is not null then
        raise exception 'job % is %: final', old.id, old.state using errcode = 'check_violation';
    end if;
    if new.state <> old.state and not may_move(old.state, new.state) then
        raise exception 'job % may not move from % to %', old.id, old.state, new.state
            using errcode = 'check_violation';
    end if;
    if new.attempt <> old.attempt + (old.state = 'waiting' and new.state = 'dispatched')::int
        or new.crashes < old.crashes then
        raise exception 'job % miscounts its attempts', old.id using errcode = 'check_violation';
    end if;
    if (new.id, new.account_id, new.plan, new.kind, new.speed, new.prompt, new.spec, new.spec_sha256,
        new.submission_key, new.estimate_ms, new.submitted_at, new.parent_id, new.parent_index,
        new."strict", new.guild_id, new.channel_id, new.manner, new.visibility,
        new.price,
        new.asked_sha256, new.uploads)
        is distinct from
       (old.id, old.account_id, old.plan, old.kind, old.speed, old.prompt, old.spec, old.spec_sha256,
        old.submission_key, old.estimate_ms, old.submitted_at, old.parent_id, old.parent_index,
        old."strict", old.guild_id, old.channel_id, old.manner, old.visibility,
        old.price,
        old.asked_sha256, old.uploads) then
        raise exception 'job % was accepted as it was', old.id using errcode = 'check_violation';
    end if;
    return new;
end $$
"""


def upgrade() -> None:
    for statement in (*COLUMNS, *LEDGER_EXPIRES, *TABLES.values(), *INDEXES, JOBS_MOVE):
        op.execute(statement)


def downgrade() -> None:
    op.execute(r0005_people.JOBS_MOVE)
    for name in reversed(TABLES):
        op.execute(f"drop table {name}")
    for statement in (*r0005_people.LEDGER_TAKES, *BACK):
        op.execute(statement)
