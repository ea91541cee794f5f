"""What a constraint cannot say: legal transitions, final rows, append-only books. Triggers say it."""

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

# The same table as shared.jobs.TRANSITIONS; a test compares every pair on a real Postgres.
MAY_MOVE = """
create function may_move(source text, target text) returns boolean immutable language sql as $$
    select (source, target) in (
        ('waiting', 'dispatched'), ('waiting', 'cancelled'), ('waiting', 'failed'),
        ('dispatched', 'running'), ('dispatched', 'waiting'),
        ('dispatched', 'cancelled'), ('dispatched', 'failed'),
        ('running', 'succeeded'), ('running', 'failed'), ('running', 'blocked'),
        ('running', 'cancelled'), ('running', 'waiting')
    )
$$
"""

JOBS_BEGIN = """
create function jobs_begin() returns trigger language plpgsql as $$
begin
    if new.state <> 'waiting' or new.attempt <> 0 then
        raise exception 'a job begins waiting, at attempt 0' using errcode = 'check_violation';
    end if;
    return new;
end $$
"""

JOBS_MOVE = """
create function jobs_move() returns trigger language plpgsql as $$
begin
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
        new.submission_key, new.estimate_ms, new.submitted_at, new.parent_id, new.parent_index)
        is distinct from
       (old.id, old.account_id, old.plan, old.kind, old.speed, old.prompt, old.spec, old.spec_sha256,
        old.submission_key, old.estimate_ms, old.submitted_at, old.parent_id, old.parent_index) then
        raise exception 'job % was accepted as it was', old.id using errcode = 'check_violation';
    end if;
    return new;
end $$
"""

# A job's hold is the most that its settle and release may add up to. Locking the hold puts two
# transactions that would each take the whole of it in a row. After the insert, so that an entry which
# is there already (`on conflict do nothing`) is no offence.
LEDGER_WITHIN_HOLD = """
create function ledger_within_hold() returns trigger language plpgsql as $$
declare
    held bigint;
    taken bigint;
begin
    select amount_ms into held from ledger
        where job_id = new.job_id and account_id = new.account_id and kind = 'hold' for update;
    select coalesce(sum(amount_ms), 0) into taken from ledger
        where job_id = new.job_id and kind in ('settle', 'release');
    if held is null or taken > held then
        raise exception 'job % takes more than its hold', new.job_id using errcode = 'check_violation';
    end if;
    return null;
end $$
"""

APPEND_ONLY = """
create function append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'check_violation';
end $$
"""

FUNCTIONS = (MAY_MOVE, JOBS_BEGIN, JOBS_MOVE, LEDGER_WITHIN_HOLD, APPEND_ONLY)
TRIGGERS = (
    "create trigger jobs_begin before insert on jobs for each row execute function jobs_begin()",
    "create trigger jobs_move before update on jobs for each row execute function jobs_move()",
    """create trigger ledger_within_hold after insert on ledger for each row
        when (new.kind in ('settle', 'release')) execute function ledger_within_hold()""",
)
BOOKS = ("ledger", "audit", "verdicts")


def upgrade() -> None:
    for statement in (*FUNCTIONS, *TRIGGERS):
        op.execute(statement)
    for book in BOOKS:
        op.execute(
            f"create trigger append_only before update or delete on {book}"
            " for each row execute function append_only()"
        )
        op.execute(
            f"create trigger not_emptied before truncate on {book} execute function append_only()"
        )


def downgrade() -> None:
    for book in BOOKS:
        op.execute(f"drop trigger not_emptied on {book}")
        op.execute(f"drop trigger append_only on {book}")
    op.execute("drop trigger ledger_within_hold on ledger")
    op.execute("drop trigger jobs_move on jobs")
    op.execute("drop trigger jobs_begin on jobs")
    for name in ("append_only", "ledger_within_hold", "jobs_move", "jobs_begin", "may_move"):
        op.execute(f"drop function {name}")
