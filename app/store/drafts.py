"""What each person has typed and not sent yet. Whoever asks names the owner: nobody else's is ever looked at."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.rows import Repository
from app.store.tables import drafts

# Between the two statements somebody else may add the row, or remove it again.
TRIES: Final = 5


class Drafts(Repository):
    def get(self, user_id: int) -> str | None:
        content: str | None = self._connection.scalar(select(drafts.c.content).where(drafts.c.user_id == user_id))
        return content

    def keep(self, user_id: int, content: str, at: datetime) -> None:
        """Put it in the place of what was kept before; of several at once, the last one stays."""
        values = {"content": content, "updated_at": at}
        for _ in range(TRIES):
            changed = update(drafts).where(drafts.c.user_id == user_id).values(**values)
            result: CursorResult[Any] = self._connection.execute(changed)
            if result.rowcount:
                return
            try:
                with self._connection.begin_nested():
                    self._connection.execute(insert(drafts).values(user_id=user_id, **values))
            except IntegrityError:
                continue  # somebody else was quicker, and has committed
            return
        raise LookupError

    def forget(self, user_id: int) -> None:
        self._connection.execute(delete(drafts).where(drafts.c.user_id == user_id))
