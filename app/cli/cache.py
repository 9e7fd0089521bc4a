"""`python -m app cache …`: finished pictures that are kept to be given again."""

from app.cli.console import Desk, group, verb
from app.cli.texts import text

cache = group("cache")


@verb(cache, "clear")
def cache_clear(desk: Desk) -> None:
    from app.flows.results import clear_results
    from app.flows.studio import NOWHERE

    clear_results(desk.studio, desk.actor, NOWHERE)
    desk.answer({"cleared": True}, text("said.cache-cleared"))
