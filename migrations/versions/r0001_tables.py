"""Every table, as it was on the first day."""

from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

TABLES = {
    "accounts": """
create table accounts (
    id uuid default gen_random_uuid() not null,
    discord_id text not null,
    name text not null,
    standing text default 'good' not null,
    default_speed text,
    created_at timestamp with time zone default clock_timestamp() not null,
    constraint pk_accounts primary key (id),
    constraint ck_accounts_standing check (standing in ('good', 'suspended', 'banned')),
    constraint ck_accounts_default_speed check (default_speed in ('turbo', 'fast', 'relax')),
    constraint uq_accounts_discord_id unique (discord_id)
)
""",
    "plans_in_force": """
create table plans_in_force (
    id bigserial not null,
    account_id uuid not null,
    plan text not null,
    since timestamp with time zone default clock_timestamp() not null,
    until timestamp with time zone,
    constraint pk_plans_in_force primary key (id),
    constraint ck_plans_in_force_until_after_since check (until is null or until >= since),
    constraint fk_plans_in_force_account_id foreign key(account_id) references accounts (id)
)
""",
    "balances": """
create table balances (
    account_id uuid not null,
    available_ms bigint default '0' not null,
    held_ms bigint default '0' not null,
    constraint pk_balances primary key (account_id),
    constraint ck_balances_available_not_negative check (available_ms >= 0),
    constraint ck_balances_held_not_negative check (held_ms >= 0),
    constraint fk_balances_account_id foreign key(account_id) references accounts (id)
)
""",
    "jobs": """
create table jobs (
    id uuid default gen_random_uuid() not null,
    account_id uuid not null,
    plan text not null,
    kind text not null,
    state text default 'waiting' not null,
    speed text not null,
    prompt text not null,
    spec jsonb not null,
    spec_sha256 text not null,
    submission_key text not null,
    parent_id uuid,
    parent_index integer,
    estimate_ms bigint not null,
    attempt integer default '0' not null,
    crashes integer default '0' not null,
    worker text,
    lease_until timestamp with time zone,
    submitted_at timestamp with time zone default clock_timestamp() not null,
    dispatched_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    gpu_ms bigint,
    charged_ms bigint,
    timings jsonb default '{}' not null,
    error_code text,
    error_sentence text,
    passed_verdict bigint,
    passed_decision text generated always as ('allow') stored,
    passed_pixels boolean generated always as (true) stored,
    constraint pk_jobs primary key (id),
    constraint ck_jobs_kind check (kind in ('imagine', 'vary', 'upscale')),
    constraint ck_jobs_state
        check (state in ('waiting','dispatched','running','succeeded','failed','blocked','cancelled')),
    constraint ck_jobs_speed check (speed in ('turbo', 'fast', 'relax')),
    constraint ck_jobs_estimate_not_negative check (estimate_ms >= 0),
    constraint ck_jobs_attempts_counted
        check (attempt >= 0 and crashes >= 0 and crashes <= attempt),
    constraint ck_jobs_lineage
        check (kind = 'imagine' or (parent_id is not null and parent_index is not null)),
    constraint ck_jobs_no_success_without_verdict
        check (state <> 'succeeded' or passed_verdict is not null),
    constraint ck_jobs_finished_at
        check ((state in ('succeeded','failed','blocked','cancelled')) = (finished_at is not null)),
    constraint ck_jobs_leased
        check (state not in ('dispatched','running') or (worker is not null and lease_until is not null)),
    constraint ck_jobs_not_leased
        check (state <> 'waiting' or (worker is null and lease_until is null)),
    constraint ck_jobs_charged_at_the_end check ((charged_ms is null) = (finished_at is null)),
    constraint ck_jobs_only_success_costs
        check (charged_ms is null or charged_ms = 0 or state = 'succeeded'),
    constraint ck_jobs_measured_not_negative check (charged_ms >= 0 and gpu_ms >= 0),
    constraint ck_jobs_failure_explained
        check (state not in ('failed','blocked') or error_sentence is not null),
    constraint fk_jobs_account_id foreign key(account_id) references accounts (id),
    constraint uq_jobs_submission_key unique (submission_key),
    constraint fk_jobs_parent_id foreign key(parent_id) references jobs (id)
)
""",
    "ledger": """
create table ledger (
    id bigserial not null,
    account_id uuid not null,
    job_id uuid,
    kind text not null,
    debit text not null,
    credit text not null,
    amount_ms bigint not null,
    entry_key text not null,
    note text,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_ledger primary key (id),
    constraint ck_ledger_kind check (kind in ('grant', 'hold', 'settle', 'release')),
    constraint ck_ledger_amount_not_negative check (amount_ms >= 0),
    constraint ck_ledger_job_named check ((kind = 'grant') = (job_id is null)),
    constraint ck_ledger_two_sides check (
        (kind, debit, credit) in (
            ('grant', 'issued', 'available:' || account_id::text),
            ('hold', 'available:' || account_id::text, 'held:' || account_id::text),
            ('settle', 'held:' || account_id::text, 'spent'),
            ('release', 'held:' || account_id::text, 'available:' || account_id::text)
        )
    ),
    constraint fk_ledger_account_id foreign key(account_id) references accounts (id),
    constraint fk_ledger_job_id foreign key(job_id) references jobs (id),
    constraint uq_ledger_entry_key unique (entry_key)
)
""",
    "verdicts": """
create table verdicts (
    id bigserial not null,
    job_id uuid,
    account_id uuid,
    subject text not null,
    decision text not null,
    pixels boolean generated always as (subject <> 'prompt') stored not null,
    category text default 'none' not null,
    score float default '0' not null,
    rule text default '' not null,
    sha256 text not null,
    policy text not null,
    attempt integer,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_verdicts primary key (id),
    constraint ck_verdicts_subject check (subject in ('prompt', 'image', 'job')),
    constraint ck_verdicts_decision check (decision in ('allow', 'review', 'block')),
    constraint ck_verdicts_job_named check (subject = 'prompt' or job_id is not null),
    constraint uq_verdicts_id_job_id_decision_pixels unique (id, job_id, decision, pixels),
    constraint fk_verdicts_job_id foreign key(job_id) references jobs (id),
    constraint fk_verdicts_account_id foreign key(account_id) references accounts (id)
)
""",
    "assets": """
create table assets (
    id bigserial not null,
    job_id uuid not null,
    kind text not null,
    index integer not null,
    key text not null,
    sha256 text not null,
    size bigint not null,
    width integer not null,
    height integer not null,
    mime text not null,
    verdict_id bigint not null,
    verdict_decision text generated always as ('allow') stored not null,
    verdict_pixels boolean generated always as (true) stored not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_assets primary key (id),
    constraint ck_assets_kind check (kind in ('grid', 'image')),
    constraint ck_assets_measures check (index >= 0 and size > 0 and width > 0 and height > 0),
    constraint fk_assets_verdict
        foreign key(verdict_id, job_id, verdict_decision, verdict_pixels)
        references verdicts (id, job_id, decision, pixels),
    constraint uq_assets_job_id_kind_index unique (job_id, kind, index),
    constraint fk_assets_job_id foreign key(job_id) references jobs (id),
    constraint uq_assets_key unique (key)
)
""",
    "deliveries": """
create table deliveries (
    job_id uuid not null,
    route jsonb not null,
    state text default 'open' not null,
    last_error text,
    delivered_at timestamp with time zone,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_deliveries primary key (job_id),
    constraint ck_deliveries_state check (state in ('open', 'delivered', 'undeliverable')),
    constraint fk_deliveries_job_id foreign key(job_id) references jobs (id)
)
""",
    "workers": """
create table workers (
    name text not null,
    device text not null,
    slots integer not null,
    checkpoints jsonb default '[]' not null,
    draining boolean default false not null,
    started_at timestamp with time zone default clock_timestamp() not null,
    seen_at timestamp with time zone default clock_timestamp() not null,
    constraint pk_workers primary key (name),
    constraint ck_workers_slots check (slots > 0)
)
""",
    "audit": """
create table audit (
    id bigserial not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail jsonb default '{}' not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_audit primary key (id)
)
""",
}

INDEXES = (
    "create unique index uq_plans_in_force_open on plans_in_force (account_id) where until is null",
    "create index ix_jobs_account on jobs (account_id, submitted_at)",
    "create index ix_jobs_open on jobs (state, submitted_at) where finished_at is null",
    "create index ix_jobs_parent on jobs (parent_id)",
    "create index ix_ledger_account on ledger (account_id, id)",
    "create unique index uq_ledger_job_kind on ledger (job_id, kind) where job_id is not null",
    "create index ix_verdicts_job on verdicts (job_id)",
    "create index ix_deliveries_open on deliveries (state) where state = 'open'",
)

# Jobs and verdicts name each other, so one side comes last.
LAST = """
alter table jobs add constraint fk_jobs_passed_verdict
    foreign key(passed_verdict, id, passed_decision, passed_pixels)
    references verdicts (id, job_id, decision, pixels)
"""


def upgrade() -> None:
    for statement in (*TABLES.values(), *INDEXES, LAST):
        op.execute(statement)


def downgrade() -> None:
    op.execute("alter table jobs drop constraint fk_jobs_passed_verdict")
    for name in reversed(TABLES):
        op.execute(f"drop table {name}")
