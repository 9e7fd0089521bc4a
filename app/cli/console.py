"""What all verbs of `python -m app` share: options, language, the studio, answers, and each failure's exit code."""

import inspect
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from app.cli.texts import language, text
from app.domain.errors import ConflictError, InvalidRequestError, StudioError, UnavailableError
from app.messages import error_text, field_text

if TYPE_CHECKING:
    from app.bootstrap import House, SchemaError
    from app.domain.people import Principal
    from app.flows.studio import Studio
    from app.settings import Settings

REFUSED: Final = 1
MISCONFIGURED: Final = 3
DATABASE: Final = 5
AS_JSON: Final = "as_json"
Body = TypeVar("Body", bound=Callable[..., None])


def _shared(name: str, flag: str, kind: Any = str | None, default: object = None) -> inspect.Parameter:  # noqa: ANN401
    option = typer.Option(flag, help=text(f"option.{flag.strip('-')}"), show_default=False)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


# These may stand before the noun, before the verb and after it; the last one counts.
SHARED: Final = (
    _shared("data_dir", "--data-dir"),
    _shared("database_url", "--database-url"),
    _shared("outputs_dir", "--outputs-dir"),
    _shared("config", "--config"),
    _shared(AS_JSON, "--json", bool, default=False),
)
CONTEXT: Final = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


class Desk:
    """Where a verb works: the settings, the studio behind them, and the way to answer."""

    def __init__(self, settings: "Settings", *, as_json: bool) -> None:
        self.settings = settings
        self.as_json = as_json

    @cached_property
    def house(self) -> "House":
        """Built, with nothing opened or started."""
        from app.bootstrap import build

        return build(self.settings)

    @cached_property
    def studio(self) -> "Studio":
        """With a database that has our tables. Raises what `open_for_console` raises."""
        from app.bootstrap import open_for_console

        open_for_console(self.house, self.settings)
        return self.house.studio

    @property
    def actor(self) -> "Principal":
        from app.flows.studio import console

        return console(self.house.studio.clock.now())

    def local(self, moment: datetime | None) -> str:
        """A time as people on the spot read it."""
        return "-" if moment is None else f"{moment.astimezone(self.settings.zone):%Y-%m-%d %H:%M:%S}"

    def answer(self, document: object, *lines: str) -> None:
        """The lines, or with --json the one document."""
        if self.as_json:
            print(json.dumps(document, ensure_ascii=False))
        else:
            print(*lines, sep="\n", end="\n" if lines else "")

    def close(self) -> None:
        if "house" in self.__dict__:
            self.house.close()


def group(noun: str) -> typer.Typer:
    """The command of one noun, and the root of them all."""
    made = typer.Typer(
        help=text(f"help.{noun}"),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        # A traceback with local variables would show passwords.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def remember(context: typer.Context, **given: object) -> None:
        _remember(context, given)

    remember.__signature__ = inspect.Signature([CONTEXT, *SHARED])  # type: ignore[attr-defined]
    made.callback()(remember)
    return made


def verb(noun: typer.Typer, name: str) -> Callable[[Body], Body]:
    """Make a function a verb: its arguments become the command's, but for the desk, which is opened and closed for it.

    The function's own name is the key of the help text.
    """

    def add(body: Body) -> Body:
        own = list(inspect.signature(body).parameters.values())[1:]

        def command(context: typer.Context, **given: object) -> None:
            _remember(context, given)
            arguments = {parameter.name: given[parameter.name] for parameter in own}
            _work(lambda desk: body(desk, **arguments), context.obj)

        parameters = [CONTEXT, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *SHARED]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        noun.command(name, help=text(f"help.{body.__name__}"))(command)
        return body

    return add


def refuse_for_now(noun: typer.Typer, name: str) -> None:
    """A verb that a later release brings: it refuses whatever follows it, and never pretends."""

    def command(context: typer.Context, **given: object) -> None:
        _remember(context, given)
        _work(_not_yet, context.obj)

    command.__signature__ = inspect.Signature([CONTEXT, *SHARED])  # type: ignore[attr-defined]
    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    noun.command(name, hidden=True, context_settings=settings)(command)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Lines of aligned columns; Chinese characters are two columns wide."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _width(cell: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in cell)


def _remember(context: typer.Context, given: Mapping[str, object]) -> None:
    known = context.ensure_object(dict)
    known.update({each.name: given[each.name] for each in SHARED if given[each.name] not in {None, False}})


def _not_yet(_desk: Desk) -> None:
    raise ConflictError("cli.refused.not-yet")


def _work(body: Callable[[Desk], None], flags: Mapping[str, Any]) -> None:
    """Open a desk, work at it, and turn what goes wrong into the exit code (docs/ADMIN.md)."""
    from app import bootstrap
    from app.settings import ConfigurationError, load

    as_json = bool(flags.get(AS_JSON))
    try:
        desk = Desk(load(**{name: value for name, value in flags.items() if name != AS_JSON}), as_json=as_json)
        try:
            body(desk)
        finally:
            desk.close()
    except ConfigurationError as error:
        _fail(MISCONFIGURED, "configuration-refused", text("refused.configuration", reason=str(error)), as_json=as_json)
    except bootstrap.DatabaseUnreachableError as error:
        _fail(DATABASE, "database-unavailable", text("refused.unreachable", reason=str(error)), as_json=as_json)
    except bootstrap.SchemaError as error:
        _fail(DATABASE, "schema-differs", schema_text(error), as_json=as_json)
    except InvalidRequestError as error:
        fields = [{"field": each.field, "message": field_text(language(), each)} for each in error.errors]
        lines = "\n".join(f"{each['field']}: {each['message']}" for each in fields)
        message = error_text(language(), error) if as_json else lines
        _fail(REFUSED, error.code, message, as_json=as_json, errors=fields)
    except UnavailableError as error:
        _fail(DATABASE, error.code, error_text(language(), error), as_json=as_json)
    except StudioError as error:
        _fail(REFUSED, error.code, error_text(language(), error), as_json=as_json)


def schema_text(error: "SchemaError") -> str:
    return text("refused.schema", differences="\n".join(f"- {each}" for each in error.differences))


def _fail(exit_code: int, code: str, message: str, *, as_json: bool, errors: Sequence[object] = ()) -> None:
    if as_json:
        told: dict[str, object] = {"code": code, "message": message}
        print(json.dumps({"error": told | ({"errors": errors} if errors else {})}, ensure_ascii=False))
    else:
        typer.echo(message, err=True)
    raise typer.Exit(exit_code)
