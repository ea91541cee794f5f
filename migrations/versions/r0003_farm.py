"""What the farm must remember: each change of a job's state, and what memory a worker has."""

from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

TRANSITIONS = """
create table transitions (
    id bigserial not null,
    job_id uuid not null,
    source text,
    target text not null,
    attempt integer not null,
    crashes integer not null,
    worker text,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_transitions primary key (id),
    constraint fk_transitions_job_id foreign key(job_id) references jobs (id)
)
"""

# Who held it tells more than nobody, so a job that goes back to waiting is told with its last worker.
JOBS_TELL = """
create function jobs_tell() returns trigger language plpgsql as $$
begin
    insert into transitions (job_id, source, target, attempt, crashes, worker) values
        (new.id, case when tg_op = 'UPDATE' then old.state end, new.state, new.attempt, new.crashes,
         case when tg_op = 'UPDATE' then coalesce(new.worker, old.worker) end);
    return null;
end $$
"""

UP = (
    TRANSITIONS,
    "create index ix_transitions_job on transitions (job_id, id)",
    JOBS_TELL,
    "create trigger jobs_born after insert on jobs for each row execute function jobs_tell()",
    """create trigger jobs_moved after update on jobs for each row
        when (old.state is distinct from new.state) execute function jobs_tell()""",
    """create trigger append_only before update or delete on transitions
        for each row execute function append_only()""",
    "create trigger not_emptied before truncate on transitions execute function append_only()",
    """alter table workers
        add column vram_bytes bigint default '0' not null,
        add column free_bytes bigint default '0' not null""",
)
DOWN = (
    "alter table workers drop column vram_bytes, drop column free_bytes",
    "drop trigger jobs_moved on jobs",
    "drop trigger jobs_born on jobs",
    "drop function jobs_tell",
    "drop table transitions",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
