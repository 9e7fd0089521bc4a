"""Where I am signed in, and signing out there."""

from typing import Final

import gradio as gr

from app.auth.policy import Permission
from app.flows.sessions import end_own_sessions, end_session, list_sessions
from app.flows.studio import Studio
from app.web.components import markup
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.tabs.account.devices import in_words, is_handheld
from app.web.tabs.rows import CHOSEN, row_buttons, tell_how_many

LEAVE: Final = "() => window.atelier.leave()"


def build(studio: Studio) -> gr.HTML:
    """Where the list is shown."""
    view = markup(elem_id="sessions")
    rows = row_buttons("session", "end", "end-others", "end-all")

    @shown(studio, Permission.CREDENTIAL_MANAGE)
    def end_one(click: Click, session_id: object) -> str:
        end_session(studio, click.actor, str(session_id), click.origin)
        tell_how_many(click.language, "sessions.ended", 1)
        return page(studio, click)

    @shown(studio, Permission.CREDENTIAL_MANAGE)
    def end_others(click: Click) -> str:
        ended = end_own_sessions(studio, click.actor, click.origin, others_only=True)
        tell_how_many(click.language, "sessions.ended", ended)
        return page(studio, click)

    @shown(studio, Permission.CREDENTIAL_MANAGE)
    def end_all(click: Click) -> None:
        end_own_sessions(studio, click.actor, click.origin, others_only=False)

    rows.buttons["end"].click(end_one, inputs=[rows.chosen], outputs=[view], js=CHOSEN, **PRIVATE)
    rows.buttons["end-others"].click(end_others, outputs=[view], **PRIVATE)
    # Whether the answer still reaches a session that has just ended is a race; the page leaves either way.
    rows.buttons["end-all"].click(end_all, **PRIVATE).then(None, js=LEAVE)
    return view


def page(studio: Studio, click: Click) -> str:
    listed = [
        (row, in_words(click.language, row.user_agent), is_handheld(row.user_agent))
        for row in list_sessions(studio, click.actor, click.origin)
    ]
    present = click.actor.session_id
    listed.sort(key=lambda each: each[0].id != present)
    return render("studio/sessions.html", click.language, sessions=listed, present=present, zone=studio.zone)
