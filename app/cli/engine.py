"""`python -m app engine …`: the engine of the running servers, and the models on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import REFUSED, Desk, group, table, verb
from app.cli.texts import language, text

if TYPE_CHECKING:
    from app.flows.engine_control import ServerEngine

COLUMNS = ("server", "state", "model", "device", "seen")
GB = 1e9
Model = Annotated[str, typer.Argument(metavar="MODEL", help=text("option.model"))]

engine = group("engine")


@verb(engine, "status")
def engine_status(desk: Desk) -> None:
    from app.flows.engine_control import engines_of_servers
    from app.flows.studio import NOWHERE
    from app.flows.views import engine_status_json, timestamp

    found = engines_of_servers(desk.studio, desk.actor, NOWHERE)
    documents = [
        {"server": each.worker, "seen_at": timestamp(each.seen_at)} | engine_status_json(each.status, language())
        for each in found
    ]
    if not found:
        desk.answer(documents, text("said.no-server"))
        return
    rows = [_row(desk, each) for each in found]
    reasons = [document["reason"]["message"] for document in documents if document["reason"]]
    desk.answer(documents, *table([text(f"head.{column}") for column in COLUMNS], rows), *reasons)


@verb(engine, "list")
def engine_list(desk: Desk) -> None:
    from app.flows.engine_control import view_engine
    from app.flows.studio import NOWHERE
    from app.flows.views import engine_json

    models = engine_json(view_engine(desk.studio, desk.actor, NOWHERE), language())["models"]
    rows = [
        [
            each["name"],
            text(f"kind.{each['kind']}"),
            f"{each['size'] / GB:.2f} GB",
            (each["reason"] or {}).get("message", ""),
        ]
        for each in models
    ]
    desk.answer(models, *table([text(f"head.{column}") for column in ("name", "kind", "bytes", "reason")], rows))


@verb(engine, "load")
def engine_load(desk: Desk, model: Model) -> None:
    """A path is the server's own: this is the same machine."""
    from app.flows.engine_control import load_on_the_spot
    from app.flows.studio import NOWHERE

    known = {"auto", "demo", *(each.name for each in desk.studio.shelf.found())}
    path = Path(model).expanduser()
    wanted = model if model in known or not path.exists() else str(path.absolute())
    load_on_the_spot(desk.studio, desk.actor, wanted, NOWHERE)
    desk.answer({"model": wanted}, text("said.engine-loads", model=wanted))


@verb(engine, "unload")
def engine_unload(desk: Desk) -> None:
    from app.flows.engine_control import unload
    from app.flows.studio import NOWHERE

    unload(desk.studio, desk.actor, NOWHERE)
    desk.answer({"model": None}, text("said.engine-unloads"))


@verb(engine, "verify")
def engine_verify(desk: Desk, model: Model = "auto") -> None:
    """Reads all of the model: about a second for each gigabyte."""
    from app.flows.engine_control import changed_files
    from app.flows.studio import NOWHERE

    changed = changed_files(desk.studio, desk.actor, model, NOWHERE)
    said = [text("said.file-changed", file=each) for each in changed] or [text("said.model-verified")]
    desk.answer({"changed": changed}, *said)
    if changed:
        raise typer.Exit(REFUSED)


def _row(desk: Desk, found: "ServerEngine") -> list[object]:
    from app.flows.views import shown_model

    status = found.status
    percent = "" if status.progress is None else f" {status.progress:.0%}"
    state, model = text(f"engine.{status.state}"), shown_model(status.model) or "-"
    if status.coming:
        coming = text(f"engine.{status.coming_state or 'starting'}")
        model += f" → {shown_model(status.coming)} ({coming}{percent})"
    else:
        state += percent
    return [found.worker, state, model, status.device or "-", desk.local(found.seen_at)]
