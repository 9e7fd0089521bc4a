"""One's own account: who I am, today's quota, language and password, where I am signed in, my API tokens."""

from typing import Any

import gradio as gr

from app.auth.policy import Permission
from app.flows.account import Me, me
from app.flows.studio import Studio
from app.web.components import markup
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.tabs.account import sessions, tokens
from app.web.texts import label


def build(studio: Studio) -> gr.Tab:
    tab = gr.Tab(label("tab.account"), id="account", elem_id="tab-account", visible=False)
    with tab:
        page = markup(elem_id="account")
        session_list = sessions.build(studio)
        desk = tokens.build(studio)

    @shown(studio, Permission.CREDENTIAL_MANAGE)
    def show_account(click: Click) -> list[Any]:
        """Everything as it is now."""
        account = _page(click.language, me(studio, click.actor), studio)
        return [account, sessions.page(studio, click), tokens.page(studio, click)]

    tab.select(show_account, outputs=[page, session_list, desk.table], **PRIVATE)
    if isinstance(tab.parent, gr.Tabs):
        # A token that was shown before is not shown again. In the browser alone: the answer of `show_account` may come
        # after a new one, which is shown once.
        tab.parent.change(None, js=tokens.FORGET, outputs=[desk.secret])
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
