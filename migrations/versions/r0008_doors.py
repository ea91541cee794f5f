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
    ended_at timestamp with time zone,
    constraint pk_webhooks primary key (id),
    constraint fk_webhooks_account_id foreign key(account_id) references accounts (id),
    constraint fk_webhooks_job_id foreign key(job_id) references jobs (id),
    constraint ck_webhooks_dialect check (dialect in ('pictor', 'mj'))
)
"""

WEBHOOK_DELIVERIES = """
create table webhook_deliveries (
    id bigserial not null,
    webhook_id uuid not null,
    job_id uuid not null,
    transition_id bigint not null,
    event text not null,
    state text default 'open' not null,
    tries integer default '0' not null,
    status integer,
    error text,
    at timestamp with time zone default clock_timestamp() not null,
    next_at timestamp with time zone default clock_timestamp() not null,
    ended_at timestamp with time zone,
    constraint pk_webhook_deliveries primary key (id),
    constraint fk_webhook_deliveries_webhook_id foreign key(webhook_id) references webhooks (id),
    constraint fk_webhook_deliveries_job_id foreign key(job_id) references jobs (id),
    constraint fk_webhook_deliveries_transition_id foreign key(transition_id) references transitions (id),
    constraint uq_webhook_deliveries_webhook_id_transition_id unique (webhook_id, transition_id),
    constraint ck_webhook_deliveries_state check (state in ('open', 'delivered', 'given_up')),
    constraint ck_webhook_deliveries_ended check ((state = 'open') = (ended_at is null))
)
"""

LORAS = """
create table loras (
    id uuid default gen_random_uuid() not null,
    account_id uuid not null,
    guild_id text,
    name text not null,
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
    constraint uq_loras_key unique (key),
    constraint ck_loras_size check (size > 0),
    constraint ck_loras_visibility check (visibility in ('own', 'public'))
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
    "create index ix_webhooks_account on webhooks (account_id) where ended_at is null",
    "create index ix_webhooks_job on webhooks (job_id) where job_id is not null",
    "create index ix_webhook_deliveries_due on webhook_deliveries (next_at) where state = 'open'",
    "create index ix_webhook_deliveries_order on webhook_deliveries (webhook_id, job_id, id)",
    "create unique index uq_loras_name on loras (name) where removed_at is null",
    "create index ix_loras_account on loras (account_id)",
    "create index ix_tasks_account on tasks (account_id, id)",
    "create index ix_tasks_job on tasks (job_id)",
    "create index ix_jobs_cancel_at on jobs (cancel_at) where cancel_at is not null and finished_at is null",
    "create index ix_jobs_spec on jobs (account_id, spec_sha256) where state = 'succeeded'",
)

# Whoever is to be told of this state gets a delivery in the same transaction. A job goes back to waiting when
# its worker was lost: that is not told again.
HOOKS_TELL = """
create function hooks_tell() returns trigger language plpgsql as $$
begin
    insert into webhook_deliveries (webhook_id, job_id, transition_id, event)
        select hooks.id, new.job_id, new.id, told.event
        from jobs
        join (values ('waiting', 'job.waiting'), ('running', 'job.started'),
            ('succeeded', 'job.succeeded'), ('failed', 'job.failed'), ('blocked', 'job.blocked'),
            ('cancelled', 'job.cancelled')) as told (state, event) on told.state = new.target
        join webhooks hooks on hooks.account_id = jobs.account_id and hooks.ended_at is null
            and (hooks.job_id is null or hooks.job_id = new.job_id) and told.event = any(hooks.events)
        where jobs.id = new.job_id and (new.target <> 'waiting' or new.source is null)
        order by hooks.created_at;
    return null;
end $$
"""

UP = (
    API_KEYS,
    WEBHOOKS,
    WEBHOOK_DELIVERIES,
    LORAS,
    TASKS,
    "alter table jobs add column cancel_at timestamp with time zone",
    "alter table jobs add column memo text default '' not null",
    *INDEXES,
    HOOKS_TELL,
    """create trigger hooks_told after insert on transitions
        for each row execute function hooks_tell()""",
)
DOWN = (
    "drop trigger hooks_told on transitions",
    "drop function hooks_tell",
    "drop index ix_jobs_spec",
    "drop index ix_jobs_cancel_at",
    "alter table jobs drop column memo",
    "alter table jobs drop column cancel_at",
    "drop table tasks",
    "drop table loras",
    "drop table webhook_deliveries",
    "drop table webhooks",
    "drop table api_keys",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
