"""My API tokens: the list, and beside it the form for a new one."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.auth.tokens import DEFAULT_DAYS
from app.domain.people import Scope
from app.flows.studio import Studio
from app.flows.tokens import TokenRow, create_token, list_tokens, revoke_token
from app.web.components import fragment, markup, number
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.tabs.rows import CHOSEN, row_buttons
from app.web.texts import label

FORGET: Final = "() => ''"
# In the order of the form; a new token gets the least that is of use until its owner ticks more.
SCOPES: Final = {Scope.READ: True, Scope.GENERATE: False, Scope.ADMIN: False}
EVERYTHING: Final = "all"
TICKS: Final[dict[str, bool]] = {**{scope.value: ticked for scope, ticked in SCOPES.items()}, EVERYTHING: False}
NEW: Final = ["", *TICKS.values(), DEFAULT_DAYS, "", ""]
LISTED_AFTER_EXPIRY: Final = timedelta(days=30)
# Commas as Chinese keyboards write them, too.
BETWEEN_ADDRESSES: Final = re.compile(r"[\s,;，；、]+")


@dataclass(frozen=True, slots=True)
class Desk:
    """The components that others fill: the list, and the new token that is shown once."""

    table: gr.HTML
    secret: gr.HTML


def build(studio: Studio) -> Desk:
    with gr.Row(elem_classes="desk", elem_id="token-desk"):
        with gr.Column(scale=1, min_width=320):
            desk = Desk(secret=markup(elem_id="token-secret"), table=markup(elem_id="tokens"))
        with gr.Column(scale=0, min_width=320, elem_classes="side-card", elem_id="token-form"):
            fields, make = _form()
    rows = row_buttons("token", "revoke")

    @shown(studio, Permission.CREDENTIAL_MANAGE)
    def make_token(click: Click, *values: object) -> list[Any]:
        made = create_token(studio, click.actor, click.actor.user.username, _body(*values), click.origin)
        return [page(studio, click), render("studio/token.html", click.language, made=made), *NEW]

    @shown(studio, Permission.CREDENTIAL_MANAGE)
    def revoke(click: Click, token_id: object) -> str:
        revoke_token(studio, click.actor, str(token_id), click.origin)
        return page(studio, click)

    make.click(make_token, inputs=fields, outputs=[desk.table, desk.secret, *fields], trigger_mode="once", **PRIVATE)
    rows.buttons["revoke"].click(revoke, inputs=[rows.chosen], outputs=[desk.table], js=CHOSEN, **PRIVATE)
    return desk


def page(studio: Studio, click: Click) -> str:
    now = studio.clock.now()
    listed: list[tuple[TokenRow, str]] = []
    folded: list[tuple[TokenRow, str]] = []
    for row in list_tokens(studio, click.actor, click.actor.user.username, click.origin):
        is_done = row.revoked_at is not None or row.expires_at + LISTED_AFTER_EXPIRY < now
        (folded if is_done else listed).append((row, _state(row, now)))
    return render(
        "studio/tokens.html", click.language, listed=listed, folded=folded, scopes=tuple(SCOPES), zone=studio.zone
    )


def _form() -> tuple[list[Any], gr.Button]:
    fragment("new-token")
    name = gr.Textbox(
        label=label("field.name"), placeholder=label("tokens.name-hint"), max_lines=1, elem_id="token-name"
    )
    with gr.Column(elem_id="token-scopes"):
        fragment("scopes")
        scopes = [
            gr.Checkbox(
                ticked,
                label=label(f"tokens.scope-{scope}"),
                info=label(f"tokens.scope-{scope}-hint"),
                elem_id=f"token-scope-{scope}",
            )
            for scope, ticked in TICKS.items()
        ]
    with gr.Row(elem_classes="pair"):
        days = number("field.expires-days", DEFAULT_DAYS, elem_id="token-days")
        # Not a number field: it makes 0 of nothing.
        quota = gr.Textbox(
            label=label("field.quota-daily"),
            placeholder=label("tokens.quota-any"),
            max_lines=1,
            min_width=80,
            elem_id="token-quota",
        )
    addresses = gr.Textbox(
        label=label("field.addresses"),
        info=label("tokens.addresses-hint"),
        placeholder="10.0.0.0/8",
        lines=2,
        max_lines=6,
        elem_id="token-addresses",
    )
    make = gr.Button(label("tokens.create"), variant="primary", elem_id="token-create")
    return [name, *scopes, days, addresses, quota], make


def _body(name: object, *values: object) -> dict[str, object]:
    """What `create_token` takes; what is not a tick goes on as a scope that nobody knows."""
    *ticks, everything, days, addresses, quota = values
    scopes: list[str] | None = [
        scope.value if tick is True else str(tick)
        for scope, tick in zip(SCOPES, ticks, strict=True)
        if tick is not False and tick is not None
    ]
    if everything is True:
        scopes = None
    if isinstance(addresses, str):
        addresses = [part for part in BETWEEN_ADDRESSES.split(addresses) if part]
    if isinstance(quota, str):
        quota = quota.strip() or None
    return {"name": name, "scopes": scopes, "expires_days": days, "addresses": addresses, "quota_daily": quota}


def _state(row: TokenRow, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "works" if now < row.expires_at else "expired"
