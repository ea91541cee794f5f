"""The doors beside Discord: keys, webhooks and their deliveries, adapters people brought, tasks of the proxy's
dialect, and jobs that end by themselves unless they were drawn by then."""

from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None

API_KEYS = """
create table api_keys (
    id uuid default gen_random_uuid() not null,
    account_id uuid not null,
    name text not null,
    prefix text not null,
    digest text not null,
    scopes text[] not null,
    guild_id text,
    plan text default '' not null,
    roles text[] default '{}' not null,
    rank integer default '0' not null,
    seen_at timestamp with time zone default clock_timestamp() not null,
    created_at timestamp with time zone default clock_timestamp() not null,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    constraint pk_api_keys primary key (id),
    constraint fk_api_keys_account_id foreign key(account_id) references accounts (id),
    constraint uq_api_keys_digest unique (digest),
    constraint ck_api_keys_rank check (rank between 0 and 3)
)
"""

WEBHOOKS = """
create table webhooks (
    id uuid default gen_random_uuid() not null,
    account_id uuid not null,
    job_id uuid,
    url text not null,
    events text[] not null,
    dialect text default 'pictor' not null,
    generation integer default '0' not null,
    created_at timestamp with time zone default clock_timestamp() not null,
    rotated_at timestamp with time zone,
    failing_since timestamp with time zone,
    off_at timestamp with time zone,
    off_because text,
    ended_at timestamp with time zone,
    constraint pk_webhooks primary key (id),
    constraint fk_webhooks_account_id foreign key(account_id) references accounts (id),
    constraint fk_webhooks_job_id foreign key(job_id) references jobs (id),
    constraint ck_webhooks_dialect check (dialect in ('pictor', 'mj')),
    constraint ck_webhooks_off check ((off_at is null) = (off_because is null))
)
"""

HOOK_SECRETS = """
create table hook_secrets (
    account_id uuid not null,
    generation integer default '0' not null,
    rotated_at timestamp with time zone,
    constraint pk_hook_secrets primary key (account_id),
    constraint fk_hook_secrets_account_id foreign key(account_id) references accounts (id)
)
"""

WEBHOOK_DELIVERIES = """
create table webhook_deliveries (
    id bigserial not null,
    webhook_id uuid not null,
    job_id uuid,
    transition_id bigint,
    event text not null,
    state text default 'open' not null,
    tries integer default '0' not null,
    status integer,
    error text,
    at timestamp with time zone default clock_timestamp() not null,
    next_at timestamp with time zone default clock_timestamp() not null,
    first_at timestamp with time zone,
    ended_at timestamp with time zone,
    constraint pk_webhook_deliveries primary key (id),
    constraint fk_webhook_deliveries_webhook_id foreign key(webhook_id) references webhooks (id),
    constraint fk_webhook_deliveries_job_id foreign key(job_id) references jobs (id),
    constraint fk_webhook_deliveries_transition_id foreign key(transition_id) references transitions (id),
    constraint uq_webhook_deliveries_webhook_id_transition_id unique (webhook_id, transition_id),
    constraint ck_webhook_deliveries_state check (state in ('open', 'delivered', 'given_up')),
    constraint ck_webhook_deliveries_ended check ((state = 'open') = (ended_at is null)),
    constraint ck_webhook_deliveries_ping check (
        (event = 'ping') = (job_id is null) and (job_id is null) = (transition_id is null))
)
"""

LORAS = """
create table loras (
    id uuid default gen_random_uuid() not null,
    account_id uuid not null,
    guild_id text,
    name text not null,
    handle text not null,
    checkpoint text not null,
    trigger text default '' not null,
    licence text default '' not null,
    key text not null,
    sha256 text not null,
    size bigint not null,
    visibility text default 'own' not null,
    created_at timestamp with time zone default clock_timestamp() not null,
    approved_at timestamp with time zone,
    removed_at timestamp with time zone,
    constraint pk_loras primary key (id),
    constraint fk_loras_account_id foreign key(account_id) references accounts (id),
    constraint uq_loras_handle unique (handle),
    constraint uq_loras_key unique (key),
    constraint ck_loras_size check (size > 0),
    constraint ck_loras_visibility check (visibility in ('own', 'public'))
)
"""

WISHES = """
create table wishes (
    id uuid default gen_random_uuid() not null,
    worker text not null,
    kind text not null,
    name text not null,
    action text not null,
    state text default 'open' not null,
    detail text default '' not null,
    at timestamp with time zone default clock_timestamp() not null,
    ended_at timestamp with time zone,
    constraint pk_wishes primary key (id),
    constraint ck_wishes_kind check (kind in ('checkpoint', 'lora')),
    constraint ck_wishes_action check (action in ('load', 'unload')),
    constraint ck_wishes_state check (state in ('open', 'done', 'refused')),
    constraint ck_wishes_ended check ((state = 'open') = (ended_at is null))
)
"""

TASKS = """
create table tasks (
    id bigserial not null,
    account_id uuid not null,
    job_id uuid,
    action text not null,
    prompt text default '' not null,
    memo text default '' not null,
    state text default 'submitted' not null,
    told jsonb default '{}' not null,
    submitted_at timestamp with time zone default clock_timestamp() not null,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    constraint pk_tasks primary key (id),
    constraint fk_tasks_account_id foreign key(account_id) references accounts (id),
    constraint fk_tasks_job_id foreign key(job_id) references jobs (id),
    constraint ck_tasks_state check (state in ('submitted', 'modal', 'done', 'failed'))
)
"""

INDEXES = (
    "create index ix_api_keys_account on api_keys (account_id)",
    """create index ix_webhooks_account on webhooks (account_id)
        where ended_at is null and job_id is null""",
    "create index ix_webhooks_job on webhooks (job_id) where job_id is not null",
    "create index ix_webhook_deliveries_due on webhook_deliveries (next_at) where state = 'open'",
    "create index ix_webhook_deliveries_order on webhook_deliveries (webhook_id, job_id, id)",
    "create index ix_webhook_deliveries_log on webhook_deliveries (webhook_id, id)",
    "create unique index uq_loras_name on loras (account_id, name) where removed_at is null",
    """create index ix_loras_public on loras (name)
        where visibility = 'public' and removed_at is null""",
    "create index ix_wishes_open on wishes (worker, at) where state = 'open'",
    "create index ix_wishes_name on wishes (kind, name, at)",
    "create index ix_tasks_account on tasks (account_id, id)",
    "create index ix_tasks_job on tasks (job_id)",
    "create index ix_jobs_cancel_at on jobs (cancel_at) where cancel_at is not null and finished_at is null",
    "create index ix_jobs_spec on jobs (account_id, spec_sha256) where state = 'succeeded'",
)

# The names of what webhooks are told (shared.hooks lists them). A job goes back to waiting when its worker was
# lost: that is not told again.
HOOK_EVENT = """
create function hook_event(source text, target text) returns text language sql immutable as $$
    select case target
        when 'waiting' then case when source is null then 'job.waiting' end
        when 'running' then 'job.started'
        when 'succeeded' then 'job.succeeded'
        when 'failed' then 'job.failed'
        when 'blocked' then 'job.blocked'
        when 'cancelled' then 'job.cancelled'
    end
$$
"""

# Whoever is to be told of this state gets a delivery in the same transaction.
HOOKS_TELL = """
create function hooks_tell() returns trigger language plpgsql as $$
declare
    told text := hook_event(new.source, new.target);
begin
    if told is null then
        return null;
    end if;
    insert into webhook_deliveries (webhook_id, job_id, transition_id, event)
        select wanted.id, new.job_id, new.id, told
        from (
            select hooks.* from jobs join webhooks hooks on hooks.account_id = jobs.account_id
                where jobs.id = new.job_id and hooks.job_id is null and hooks.ended_at is null
            union all
            select hooks.* from webhooks hooks
                where hooks.job_id = new.job_id and hooks.ended_at is null
        ) wanted
        where wanted.off_at is null and told = any(wanted.events)
        order by wanted.created_at;
    return null;
end $$
"""

UP = (
    API_KEYS,
    WEBHOOKS,
    HOOK_SECRETS,
    WEBHOOK_DELIVERIES,
    LORAS,
    WISHES,
    TASKS,
    "alter table jobs add column cancel_at timestamp with time zone",
    "alter table jobs add column memo text default '' not null",
    *INDEXES,
    HOOK_EVENT,
    HOOKS_TELL,
    """create trigger hooks_told after insert on transitions
        for each row execute function hooks_tell()""",
)
DOWN = (
    "drop trigger hooks_told on transitions",
    "drop function hooks_tell",
    "drop function hook_event",
    "drop index ix_jobs_spec",
    "drop index ix_jobs_cancel_at",
    "alter table jobs drop column memo",
    "alter table jobs drop column cancel_at",
    "drop table tasks",
    "drop table wishes",
    "drop table loras",
    "drop table webhook_deliveries",
    "drop table hook_secrets",
    "drop table webhooks",
    "drop table api_keys",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
