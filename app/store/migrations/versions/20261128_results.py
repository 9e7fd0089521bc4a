"""Results: pictures that were given from what was made before, and may have cost nothing."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "20261128_results"
down_revision = "20261128_editing"


def upgrade() -> None:
    _add("cached", sa.false())
    _add("charged", sa.true())


def _add(label: str, default: Any) -> None:  # noqa: ANN401 - what a column takes
    """The default is for the rows of before. MariaDB commits after each statement: this one may have run already."""
    if label not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns("images")}:
        op.add_column("images", sa.Column(label, sa.Boolean(), nullable=False, server_default=default))
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("images", label, existing_type=sa.Boolean(), server_default=None, nullable=False)
