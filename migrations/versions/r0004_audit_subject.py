"""What the audit book says of one job or account is found without reading all of it."""

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.execute("create index ix_audit_subject on audit (subject, id)")


def downgrade() -> None:
    op.execute("drop index ix_audit_subject")
