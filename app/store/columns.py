"""How our tables and their usual columns are made, the same on every database."""

from typing import Any, Final

from sqlalchemy import Column, ForeignKey, MetaData, Table
from sqlalchemy.schema import SchemaItem

from app.store.types import UtcDateTime, counter

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def table(label: str, *items: SchemaItem) -> Table:
    return Table(label, metadata, *items, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


def row_id() -> Column[int]:
    return Column("id", counter(), primary_key=True, autoincrement=True)


def owner(**options: Any) -> Column[int]:  # noqa: ANN401 - passed through to Column
    return Column("user_id", counter(), ForeignKey("users.id"), nullable=False, **options)


def time(label: str, *, nullable: bool = False) -> Column[Any]:
    return Column(label, UtcDateTime(), nullable=nullable)
