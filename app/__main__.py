"""`python -m app NOUN VERB`: administration without the browser; `python -m app --help` tells the nouns."""

import sys
from typing import Final

import typer

from app.cli.cache import cache
from app.cli.console import group, refuse_for_now, verb
from app.cli.database import database
from app.cli.doctor import doctor
from app.cli.engine import engine
from app.cli.jobs import jobs
from app.cli.limits import departments, roles
from app.cli.queue import queue
from app.cli.texts import text
from app.cli.tokens import tokens
from app.cli.users import users

LATER: Final = ("audit", "report", "retention", "backup")
USAGE: Final = 2

application = group("root")
NOUNS: Final = {
    "user": users,
    "role": roles,
    "department": departments,
    "token": tokens,
    "queue": queue,
    "job": jobs,
    "cache": cache,
    "engine": engine,
    "db": database,
}
for noun, verbs in NOUNS.items():
    application.add_typer(verbs, name=noun)
verb(application, "doctor")(doctor)
for noun in LATER:
    refuse_for_now(application, noun)


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        # Names and departments are in any script, terminals and pipes of services often in none.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]  # real streams have it
    if any("\udc80" <= character <= "\udcff" for word in sys.argv for character in word):
        typer.echo(text("usage.encoding"), err=True)
        sys.exit(USAGE)
    application(prog_name="python -m app")


if __name__ == "__main__":
    main()
