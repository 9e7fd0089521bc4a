"""One's own account: who I am, today's quota, and the way to a new password."""

import gradio as gr

from app.auth.policy import Permission
from app.flows.account import Me, me
from app.flows.studio import Studio
from app.web.components import markup
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.texts import label


def build(studio: Studio) -> gr.Tab:
    tab = gr.Tab(label("tab.account"), id="account", elem_id="tab-account", visible=False)
    with tab:
        page = markup(elem_id="account")

    @shown(studio, Permission.EXAMPLE_READ)
    def show_account(click: Click) -> str:
        return _page(click.language, me(studio, click.actor), studio)

    tab.select(show_account, outputs=[page], **PRIVATE)
    return tab


def _page(language: str, account: Me, studio: Studio) -> str:
    quota = account.quota
    return render(
        "studio/account.html",
        language,
        user=account.actor.user,
        quota=quota,
        resets=quota.resets_at.astimezone(studio.zone),
        portion=round(100 * (quota.used + quota.reserved) / quota.allowance) if quota.allowance > 0 else 100,
        may_generate=Permission.JOB_CREATE in account.permissions,
    )
