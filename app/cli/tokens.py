"""`python -m app token …`: API tokens of anybody."""

from typing import Annotated

import typer

from app.cli.console import Desk, group, table, verb
from app.cli.texts import text

DEFAULT_DAYS = 30

_COLUMNS = ("id", "name", "scopes", "addresses", "quota", "expires", "last-used", "revoked")

tokens = group("token")
Owner = Annotated[str, typer.Argument(metavar="USER", help=text("option.owner"))]


@verb(tokens, "create")
def token_create(  # noqa: PLR0913 - the options of the verb
    desk: Desk,
    username: Owner,
    *,
    name: Annotated[str, typer.Option("--name", help=text("option.token-name"))],
    scope: Annotated[list[str] | None, typer.Option("--scope", help=text("option.scope"))] = None,
    expires_days: Annotated[int, typer.Option("--expires-days", help=text("option.expires-days"))] = DEFAULT_DAYS,
    address: Annotated[list[str] | None, typer.Option("--address", help=text("option.address"))] = None,
    quota_daily: Annotated[int | None, typer.Option("--quota-daily", help=text("option.token-quota"))] = None,
) -> None:
    from app.flows.studio import NOWHERE
    from app.flows.tokens import create_token
    from app.flows.views import token_json

    body: dict[str, object] = {"name": name, "scopes": scope or None, "expires_days": expires_days}
    body |= {"addresses": address, "quota_daily": quota_daily}
    made = create_token(desk.studio, desk.actor, username, body, NOWHERE)
    said = text("said.token-created", username=username, until=desk.local(made.row.expires_at))
    desk.answer(token_json(made.row, username) | {"token": made.token}, said, made.token)


@verb(tokens, "list")
def token_list(desk: Desk, username: Owner) -> None:
    from app.flows.studio import NOWHERE
    from app.flows.tokens import list_tokens
    from app.flows.views import token_json

    found = list_tokens(desk.studio, desk.actor, username, NOWHERE)
    rows = [
        [
            row.id,
            row.name,
            text("word.all") if row.scopes is None else " ".join(sorted(row.scopes)),
            " ".join(row.addresses) or text("word.any"),
            text("word.any") if row.quota_daily is None else str(row.quota_daily),
            desk.local(row.expires_at),
            desk.local(row.last_used_at),
            desk.local(row.revoked_at),
        ]
        for row in found
    ]
    heads = [text(f"head.{column}") for column in _COLUMNS]
    desk.answer([token_json(row, username) for row in found], *table(heads, rows))


@verb(tokens, "revoke")
def token_revoke(desk: Desk, token_id: Annotated[str, typer.Argument(metavar="ID", help=text("option.id"))]) -> None:
    from app.flows.studio import NOWHERE
    from app.flows.tokens import revoke_token

    revoke_token(desk.studio, desk.actor, token_id, NOWHERE)
    desk.answer({"id": token_id, "revoked": True}, text("said.token-revoked", id=token_id))
