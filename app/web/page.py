"""The studio page: header, banners, tabs. One page for everybody; whoever has come decides what is shown."""

from pathlib import Path
from typing import Any, Final

import gradio as gr

from app.auth.policy import Permission
from app.flows.account import me
from app.flows.studio import Studio
from app.messages import translate
from app.web.components import fragment
from app.web.handlers import PRIVATE, Click, shown
from app.web.render import render
from app.web.tabs import account, admin, gallery, generate, generate_api
from app.web.texts import I18N, script_texts
from app.web.theme import theme

STATIC: Final = Path(__file__).parent / "static"
STYLES: Final = ("tokens", "shell", "controls", "pictures", "viewer", "tables")


def build_page(studio: Studio) -> gr.Blocks:
    page = gr.Blocks(title="Atelier", analytics_enabled=False, fill_width=True)
    with page:
        fragment("header")
        fragment("notices")
        with gr.Tabs(elem_id="tabs", selected="generate"):
            studio_tab = generate.build(studio)
            gallery_tab = gallery.build()
            account_tab = account.build(studio)
            admin_tab = admin.build(studio)
        generate_api.build(studio)

        @shown(studio, Permission.EXAMPLE_READ)
        def arrive(click: Click) -> list[Any]:
            may = set(me(studio, click.actor).permissions)
            generates = Permission.JOB_CREATE in may
            reason = "" if generates else render("studio/reason.html", click.language, role=click.actor.user.role)
            return [
                gr.update(interactive=generates),
                reason,
                gr.update(visible=Permission.IMAGE_READ in may),
                gr.update(visible=Permission.ACCOUNT_MANAGE in may),
                gr.update(visible=Permission.USER_MANAGE in may),
            ]

        page.load(
            arrive, outputs=[studio_tab.generate, studio_tab.reason, gallery_tab, account_tab, admin_tab.tab], **PRIVATE
        )
    return page


def mount_options() -> dict[str, Any]:
    """How the page looks, for `gr.mount_gradio_app`."""
    return {
        "theme": theme(),
        "head": _head(),
        "i18n": I18N,
        "footer_links": [],
        "favicon_path": str(STATIC / "favicon.svg"),
        "pwa": False,
    }


def _head() -> str:
    description = translate("en", "ui.product.description")
    # Not Gradio's `css`: it prefixes every selector with its own container, and dialogs and toasts stand outside.
    styles = "\n".join((STATIC / "css" / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)
    return (
        f"<style>{styles}</style>"
        f'<meta name="description" content="{description}">'
        '<meta name="color-scheme" content="light dark">'
        f'<script type="application/json" id="atelier-texts">{script_texts()}</script>'
        '<script type="module" src="assets-atelier/js/studio.js"></script>'
    )
