"""`python launch.py`: settings, database, page, model; in that order, each failure with its own exit code."""

import asyncio
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app import logs
from app.cli.flags import parser
from app.cli.texts import text
from app.settings import ConfigurationError, Settings, load

if TYPE_CHECKING:
    from app.bootstrap import House

STOPPED: Final = 0
USAGE: Final = 2
REFUSED: Final = 3
BUSY: Final = 4
DATABASE: Final = 5
# Gradio reads these while it is imported; none of them may change what we serve (see docs/SECURITY.md).
UNWANTED: Final = ("GRADIO_", "VIBE_")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; the exit code as docs/ADMIN.md lists them."""
    flags = vars(parser().parse_args(arguments))
    try:
        settings = load(**flags)
    except ConfigurationError as error:
        return _fail(USAGE if error.by_flag else REFUSED, text("serve.refused", why=str(error)))
    logs.configure(settings.log_level, settings.log_format)
    prepare_environment(settings.data_dir)
    return _serve(settings)


def prepare_environment(data_dir: Path) -> None:
    """Set what Gradio must find and remove what it must not, before it is imported."""
    for name in [name for name in os.environ if name.startswith(UNWANTED)]:
        del os.environ[name]
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
        "GRADIO_TEMP_DIR": str((data_dir / "gradio").resolve()),
        "GRADIO_EXAMPLES_CACHE": str((data_dir / "gradio" / "examples").resolve()),
    }


def _serve(settings: Settings) -> int:
    from app import bootstrap

    try:
        _require_tls_files(settings)
        bootstrap.make_folders(settings)
        house = bootstrap.build(settings)
        house.claim_data_dir()
        password = bootstrap.prepare(house, settings)
    except ConfigurationError as error:
        return _fail(REFUSED, text("serve.refused", why=str(error)))
    except bootstrap.AlreadyRunningError:
        return _fail(REFUSED, text("serve.already", folder=str(settings.data_dir)))
    except bootstrap.DatabaseUnreachableError as error:
        return _fail(DATABASE, text("serve.database", why=str(error)))
    except bootstrap.SchemaError as error:
        return _fail(DATABASE, text("serve.schema", why="\n".join(error.differences)))
    if password is not None:
        kept = settings.data_dir / "initial-admin-password"
        logs.tell(text("serve.first", username=settings.admin_username, password=password, file=str(kept)))
    return _listen(house, settings)


def _listen(house: "House", settings: Settings) -> int:
    from app.web.quick_import import without_interface_files

    with without_interface_files():
        from app.cli.listening import Listening, PortBusyError

    try:
        asyncio.run(Listening(house, settings).run())
    except PortBusyError as error:
        return _fail(BUSY, str(error))
    except ConfigurationError as error:
        return _fail(REFUSED, str(error))
    return STOPPED


def _require_tls_files(settings: Settings) -> None:
    """Before anything is made: a first start whose page cannot be opened would waste the first password."""
    if settings.ssl_certfile is None and settings.ssl_keyfile is None:
        return
    try:
        if settings.ssl_certfile is None:
            raise ValueError  # noqa: TRY301 - a key alone is as useless as a broken certificate
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    except (OSError, ValueError):
        raise ConfigurationError(f"ssl_certfile, ssl_keyfile: {text('serve.tls')}") from None


def _fail(code: int, why: str) -> int:
    logs.tell(why)
    return code
