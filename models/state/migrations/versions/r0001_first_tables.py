"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create every table."""
    _runs_and_journal()
    _leases_and_audit()
    _model_versions_and_loads()


def _runs_and_journal() -> None:
    op.create_table(
        "headrace_runs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", _moment(), nullable=False),
        sa.Column("finished_at", _moment()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
    )
    op.create_index("headrace_runs_by_sync", "headrace_runs", ["sync", "started_at"])
    op.create_table(
        "headrace_journal",
        sa.Column(
            "run_id", sa.Text(), sa.ForeignKey("headrace_runs.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("from_seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("to_seq", sa.BigInteger(), nullable=False),
        sa.Column("rejections", sa.JSON(), nullable=False),
        sa.Column("at", _moment(), nullable=False),
    )


def _leases_and_audit() -> None:
    op.create_table(
        "headrace_leases",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("holder", sa.Text()),
        sa.Column("process", sa.Text()),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("acquired_at", _moment(), nullable=False),
        sa.Column("expires_at", _moment(), nullable=False),
        sa.Column("heartbeat_at", _moment(), nullable=False),
        sa.Column("doing", sa.Text(), nullable=False),
    )
    op.create_table(
        "headrace_audit",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
    )
    op.create_index("headrace_audit_by_subject", "headrace_audit", ["subject", "at"])


def _model_versions_and_loads() -> None:
    op.create_table(
        "headrace_model_versions",
        sa.Column("prediction", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("model_file", sa.Text(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("promoted_at", _moment()),
        sa.Column("promoted_by", sa.Text()),
    )
    op.create_table(
        "headrace_loads",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("started_at", _moment(), nullable=False),
        sa.Column("finished_at", _moment()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tables", sa.JSON(), nullable=False),
    )
    op.create_index("headrace_loads_by_source", "headrace_loads", ["source", "started_at"])
