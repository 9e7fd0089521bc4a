"""The people of the studio with what each has made of today's quota, as administrators see them."""

from dataclasses import dataclass

from app.auth.policy import GRANTS, Permission
from app.domain.people import Origin, Principal, User, daily_allowance
from app.flows.studio import Studio
from app.quota.ledger import Balance, allowance_of_day
from app.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class PersonToday:
    user: User
    quota: Balance
    may_generate: bool


def people_today(studio: Studio, actor: Principal, origin: Origin) -> tuple[PersonToday, ...]:
    """Everybody, by name."""
    studio.permit(actor, Permission.USER_MANAGE, origin)
    day = studio.today()

    def work(tx: Transaction) -> tuple[PersonToday, ...]:
        defaults = {limits.role: limits.quota_daily for limits in tx.roles.all()}
        found = []
        for user in tx.users.all():
            row = tx.quota.day(user.id, day.date)
            allowance = allowance_of_day(daily_allowance(user.quota_daily, defaults[user.role]), row.adjusted)
            quota = Balance(allowance=allowance, used=row.used, reserved=row.reserved, resets_at=day.ends_at)
            found.append(PersonToday(user, quota, Permission.JOB_CREATE in GRANTS[user.role]))
        return tuple(found)

    return studio.store.read(work)
