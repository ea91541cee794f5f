"""Safety and the people around it: stricter pictures, cases, strikes, bans, proposals, lists, pauses, and an
audit book whose rows are linked to each other.
"""

from alembic import op

from migrations.versions import r0002_guards

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

TABLES = {
    "cases": """
create table cases (
    id uuid default gen_random_uuid() not null,
    kind text not null,
    state text default 'noted' not null,
    account_id uuid not null,
    reporter_id uuid,
    guild_id text,
    job_id uuid,
    picture integer,
    verdict_id bigint,
    category text not null,
    rule text default '' not null,
    score float default '0' not null,
    hard boolean default false not null,
    prompt text,
    words text,
    submission jsonb,
    route jsonb,
    appeal text,
    lifted_job_id uuid,
    at timestamp with time zone default clock_timestamp() not null,
    opened_at timestamp with time zone,
    decided_at timestamp with time zone,
    decided_by text,
    note text,
    constraint pk_cases primary key (id),
    constraint ck_cases_kind check (kind in ('prompt', 'picture', 'report', 'sample')),
    constraint ck_cases_state check (state in ('noted', 'open', 'upheld', 'lifted', 'expired')),
    constraint ck_cases_hard_is_never_lifted check (not (hard and state = 'lifted')),
    constraint ck_cases_decided_by_somebody check (
        (state in ('upheld', 'lifted')) = (decided_at is not null and decided_by is not null)),
    constraint ck_cases_report_names_a_job check (kind <> 'report' or job_id is not null),
    constraint fk_cases_account_id foreign key(account_id) references accounts (id),
    constraint fk_cases_reporter_id foreign key(reporter_id) references accounts (id),
    constraint fk_cases_job_id foreign key(job_id) references jobs (id),
    constraint fk_cases_verdict_id foreign key(verdict_id) references verdicts (id),
    constraint fk_cases_lifted_job_id foreign key(lifted_job_id) references jobs (id)
)
""",
    "strikes": """
create table strikes (
    id bigserial not null,
    account_id uuid not null,
    guild_id text,
    case_id uuid,
    job_id uuid,
    weight integer default '1' not null,
    category text not null,
    reason text not null,
    actor text not null,
    at timestamp with time zone default clock_timestamp() not null,
    expires_at timestamp with time zone,
    lifted_at timestamp with time zone,
    lifted_by text,
    constraint pk_strikes primary key (id),
    constraint ck_strikes_weight_not_negative check (weight >= 0),
    constraint fk_strikes_account_id foreign key(account_id) references accounts (id),
    constraint fk_strikes_case_id foreign key(case_id) references cases (id),
    constraint fk_strikes_job_id foreign key(job_id) references jobs (id)
)
""",
    "bans": """
create table bans (
    id bigserial not null,
    account_id uuid not null,
    guild_id text,
    kind text not null,
    reason text not null,
    actor text not null,
    at timestamp with time zone default clock_timestamp() not null,
    until timestamp with time zone,
    lifted_at timestamp with time zone,
    lifted_by text,
    mark text,
    constraint pk_bans primary key (id),
    constraint ck_bans_kind check (kind in ('suspension', 'ban')),
    constraint ck_bans_lifted_by_somebody check ((lifted_at is null) = (lifted_by is null)),
    constraint fk_bans_account_id foreign key(account_id) references accounts (id)
)
""",
    "proposals": """
create table proposals (
    id bigserial not null,
    action text not null,
    guild_id text,
    detail jsonb not null,
    state text default 'open' not null,
    proposed_by text not null,
    at timestamp with time zone default clock_timestamp() not null,
    expires_at timestamp with time zone,
    decided_by text,
    decided_at timestamp with time zone,
    constraint pk_proposals primary key (id),
    constraint ck_proposals_action check (action in ('unban', 'policy')),
    constraint ck_proposals_state check (state in ('open', 'approved', 'rejected', 'expired')),
    constraint ck_proposals_two_people check (
        state <> 'approved' or (decided_by is not null and decided_by <> proposed_by))
)
""",
    "guild_policies": """
create table guild_policies (
    id bigserial not null,
    guild_id text not null,
    number integer not null,
    bands jsonb not null,
    proposal_id bigint not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_guild_policies primary key (id),
    constraint ck_guild_policies_number check (number > 0),
    constraint uq_guild_policies_guild_id_number unique (guild_id, number),
    constraint fk_guild_policies_proposal_id foreign key(proposal_id) references proposals (id)
)
""",
    "staff_roles": """
create table staff_roles (
    guild_id text not null,
    role_id text not null,
    rank text not null,
    actor text not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_staff_roles primary key (guild_id, role_id),
    constraint ck_staff_roles_rank check (rank in ('viewer', 'moderator', 'admin'))
)
""",
    "staff_channels": """
create table staff_channels (
    guild_id text not null,
    channel_id text not null,
    told bigint default '0' not null,
    actor text not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_staff_channels primary key (guild_id)
)
""",
    "blocked_terms": """
create table blocked_terms (
    id bigserial not null,
    guild_id text,
    term text not null,
    category text not null,
    strength text not null,
    actor text not null,
    at timestamp with time zone default clock_timestamp() not null,
    removed_at timestamp with time zone,
    removed_by text,
    constraint pk_blocked_terms primary key (id),
    constraint ck_blocked_terms_strength check (strength in ('explicit', 'strong', 'weak'))
)
""",
    "known_hashes": """
create table known_hashes (
    algorithm text not null,
    digest text not null,
    category text default 'known' not null,
    list_name text not null,
    actor text not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_known_hashes primary key (algorithm, digest),
    constraint ck_known_hashes_algorithm check (algorithm in ('sha256', 'md5', 'pdq'))
)
""",
    "pauses": """
create table pauses (
    scope text not null,
    reason text not null,
    actor text not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_pauses primary key (scope)
)
""",
    "audit_chain": """
create table audit_chain (
    id bigserial not null,
    audit_id bigint not null,
    hash text not null,
    constraint pk_audit_chain primary key (id),
    constraint uq_audit_chain_audit_id unique (audit_id),
    constraint fk_audit_chain_audit_id foreign key(audit_id) references audit (id)
)
""",
    "inquiries": """
create table inquiries (
    id uuid default gen_random_uuid() not null,
    account_id uuid,
    key text not null,
    state text default 'open' not null,
    answer jsonb,
    at timestamp with time zone default clock_timestamp() not null,
    taken_at timestamp with time zone,
    answered_at timestamp with time zone,
    constraint pk_inquiries primary key (id),
    constraint ck_inquiries_state check (state in ('open', 'answered', 'failed')),
    constraint fk_inquiries_account_id foreign key(account_id) references accounts (id)
)
""",
    "fingerprints": """
create table fingerprints (
    id bigserial not null,
    job_id uuid not null,
    picture integer not null,
    code bigint not null,
    looks bigint not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_fingerprints primary key (id),
    constraint uq_fingerprints_job_id_picture unique (job_id, picture),
    constraint fk_fingerprints_job_id foreign key(job_id) references jobs (id)
)
""",
}

INDEXES = (
    "create index ix_cases_account on cases (account_id, at)",
    "create index ix_cases_queue on cases (guild_id, state, opened_at)",
    """create unique index uq_cases_report on cases (reporter_id, job_id, coalesce(picture, -1))
        where kind = 'report'""",
    "create index ix_strikes_account on strikes (account_id, expires_at)",
    "create index ix_bans_account on bans (account_id) where lifted_at is null",
    "create index ix_bans_mark on bans (mark) where mark is not null",
    """create unique index uq_blocked_terms_in_force
        on blocked_terms (coalesce(guild_id, ''), term) where removed_at is null""",
    "create index ix_inquiries_open on inquiries (at) where state = 'open'",
    "create index ix_fingerprints_code on fingerprints (code)",
    "create index ix_jobs_guild on jobs (guild_id, submitted_at)",
    "create index ix_verdicts_at on verdicts (at)",
    "create index ix_assets_sha256 on assets (sha256)",
    """create index ix_assets_to_remove on assets (withdrawn_at)
        where withdrawn_at is not null and removed_at is null""",
)

# What a moderator takes away goes back to where it came from: the grants alone knew no way back.
SIDES = """
alter table ledger add constraint ck_ledger_two_sides check ((kind, debit, credit) in (
    ('grant', 'issued', 'available:' || account_id::text),
    {revoke}
    ('hold', 'available:' || account_id::text, 'held:' || account_id::text),
    ('settle', 'held:' || account_id::text, 'spent'),
    ('release', 'held:' || account_id::text, 'available:' || account_id::text)))
"""
REVOKE = "('revoke', 'available:' || account_id::text, 'issued'),"
LEDGER_OPEN = tuple(
    f"alter table ledger drop constraint ck_ledger_{name}"
    for name in ("kind", "job_named", "two_sides")
)
LEDGER_TAKES = (
    *LEDGER_OPEN,
    """alter table ledger add constraint ck_ledger_kind
        check (kind in ('grant', 'revoke', 'hold', 'settle', 'release'))""",
    """alter table ledger add constraint ck_ledger_job_named
        check ((kind in ('grant', 'revoke')) = (job_id is null))""",
    SIDES.format(revoke=REVOKE),
)
LEDGER_BACK = (
    *LEDGER_OPEN,
    "alter table ledger add constraint ck_ledger_kind check (kind in ('grant', 'hold', 'settle', 'release'))",
    "alter table ledger add constraint ck_ledger_job_named check ((kind = 'grant') = (job_id is null))",
    SIDES.format(revoke=""),
)

# An allowing verdict lets a picture out only if it is about pixels that were drawn: an upload's is not.
PIXELS_GONE = (
    "alter table jobs drop constraint fk_jobs_passed_verdict",
    "alter table assets drop constraint fk_assets_verdict",
    "alter table verdicts drop constraint uq_verdicts_id_job_id_decision_pixels",
    "alter table verdicts drop column pixels",
    "alter table verdicts drop constraint ck_verdicts_subject",
    "alter table verdicts drop constraint ck_verdicts_job_named",
)
PIXELS_BACK = (
    """alter table verdicts add constraint uq_verdicts_id_job_id_decision_pixels
        unique (id, job_id, decision, pixels)""",
    """alter table assets add constraint fk_assets_verdict
        foreign key(verdict_id, job_id, verdict_decision, verdict_pixels)
        references verdicts (id, job_id, decision, pixels)""",
    """alter table jobs add constraint fk_jobs_passed_verdict
        foreign key(passed_verdict, id, passed_decision, passed_pixels)
        references verdicts (id, job_id, decision, pixels)""",
)
COLUMNS = (
    "alter table jobs add column strict boolean default false not null",
    "alter table jobs add column guild_id text",
    "alter table verdicts add column scores jsonb default '{}' not null",
    """alter table verdicts add column pixels boolean
        generated always as (subject in ('image', 'job')) stored not null""",
    """alter table verdicts add constraint ck_verdicts_subject
        check (subject in ('prompt', 'upload', 'image', 'job'))""",
    """alter table verdicts add constraint ck_verdicts_job_named
        check (subject in ('prompt', 'upload') or job_id is not null)""",
    "alter table assets add column withdrawn_at timestamp with time zone",
    "alter table assets add column removed_at timestamp with time zone",
    "alter table assets drop constraint ck_assets_kind",
    "alter table assets add constraint ck_assets_kind check (kind in ('grid', 'image', 'recipe'))",
    "alter table assets drop constraint ck_assets_measures",
    """alter table assets add constraint ck_assets_measures check (
        index >= 0 and size > 0 and ((width > 0 and height > 0) or kind = 'recipe'))""",
)
BACK = (
    "delete from assets where kind = 'recipe'",
    "alter table assets drop constraint ck_assets_measures",
    """alter table assets add constraint ck_assets_measures
        check (index >= 0 and size > 0 and width > 0 and height > 0)""",
    "alter table assets drop constraint ck_assets_kind",
    "alter table assets add constraint ck_assets_kind check (kind in ('grid', 'image'))",
    "alter table assets drop column removed_at",
    "alter table assets drop column withdrawn_at",
    "alter table verdicts drop column scores",
    """alter table verdicts add column pixels boolean
        generated always as (subject <> 'prompt') stored not null""",
    """alter table verdicts add constraint ck_verdicts_subject
        check (subject in ('prompt', 'image', 'job'))""",
    """alter table verdicts add constraint ck_verdicts_job_named
        check (subject = 'prompt' or job_id is not null)""",
    "alter table jobs drop column guild_id",
    "alter table jobs drop column strict",
)

# What of a row its link covers: change one letter of a row, and its link and all after it are wrong.
AUDIT_LINE = """
create function audit_line(entry audit) returns text immutable language sql as $$
    select concat_ws(e'\\x1f', entry.id, extract(epoch from entry.at)::text, entry.actor, entry.action,
                     entry.subject, entry.detail::text)
$$
"""

# Deferred to the commit: the lock that puts links in one row is the last that a transaction takes, so it
# is held for moments and waits for nothing.
AUDIT_LINK = """
create function audit_link() returns trigger language plpgsql as $$
declare
    before text;
begin
    perform pg_advisory_xact_lock(7042019);
    select hash into before from audit_chain order by id desc limit 1;
    insert into audit_chain (audit_id, hash) values (new.id, encode(sha256(convert_to(
        coalesce(before, '') || audit_line(new), 'UTF8')), 'hex'));
    return null;
end $$
"""
LINK_OLD_ROWS = """
do $$
declare
    entry audit;
    link text := '';
begin
    for entry in select * from audit order by id loop
        link := encode(sha256(convert_to(link || audit_line(entry), 'UTF8')), 'hex');
        insert into audit_chain (audit_id, hash) values (entry.id, link);
    end loop;
end $$
"""
TRIGGERS = (
    """create constraint trigger audit_linked after insert on audit deferrable initially deferred
        for each row execute function audit_link()""",
    """create trigger append_only before update or delete on audit_chain
        for each row execute function append_only()""",
    """create trigger not_emptied before truncate on audit_chain execute function append_only()""",
)

# (`strict` is in quotes: to plpgsql the bare word means something else.)
# Erasing a person takes the words out of jobs that are over: the one thing that may still change there.
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
        new."strict", new.guild_id)
        is distinct from
       (old.id, old.account_id, old.plan, old.kind, old.speed, old.prompt, old.spec, old.spec_sha256,
        old.submission_key, old.estimate_ms, old.submitted_at, old.parent_id, old.parent_index,
        old."strict", old.guild_id) then
        raise exception 'job % was accepted as it was', old.id using errcode = 'check_violation';
    end if;
    return new;
end $$
"""


def upgrade() -> None:
    for statement in (*PIXELS_GONE, *COLUMNS, *PIXELS_BACK, *LEDGER_TAKES):
        op.execute(statement)
    for statement in (*TABLES.values(), *INDEXES):
        op.execute(statement)
    for statement in (AUDIT_LINE, AUDIT_LINK, LINK_OLD_ROWS, *TRIGGERS, JOBS_MOVE):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop trigger audit_linked on audit")
    for name in ("audit_link", "audit_line"):
        op.execute(f"drop function {name}")
    for name in reversed(TABLES):
        op.execute(f"drop table {name}")
    for statement in (
        r0002_guards.JOBS_MOVE.replace("create function", "create or replace function"),
    ):
        op.execute(statement)
    for statement in (
        "drop index ix_jobs_guild",
        "drop index ix_verdicts_at",
        "drop index ix_assets_sha256",
        *PIXELS_GONE,
        *BACK,
        *PIXELS_BACK,
        *LEDGER_BACK,
    ):
        op.execute(statement)
