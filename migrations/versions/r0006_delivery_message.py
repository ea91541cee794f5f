"""Whose picture a message shows is found without reading every delivery."""

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.execute("create index ix_deliveries_message on deliveries ((route ->> 'message_id'))")


def downgrade() -> None:
    op.execute("drop index ix_deliveries_message")
