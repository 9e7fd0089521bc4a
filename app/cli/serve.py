"""`python launch.py`: settings, database, page, model; in that order, each failure with its own exit code."""

import asyncio
import os
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app import logs
from app.cli.flags import parser
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
        return _fail(USAGE if error.by_flag else REFUSED, f"The settings are refused.\n{error}")
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
        return _fail(REFUSED, f"The settings are refused.\n{error}")
    except bootstrap.AlreadyRunningError:
        return _fail(REFUSED, f"Another Atelier already serves the data directory {settings.data_dir}.")
    except bootstrap.DatabaseUnreachableError as error:
        return _fail(DATABASE, f"The database cannot be reached ({error}).")
    except bootstrap.SchemaError as error:
        return _fail(DATABASE, "The database's schema is not the one of this version:\n" + "\n".join(error.differences))
    if password is not None:
        _tell(
            f"First start. Sign in as {settings.admin_username} with the password {password}\n"
            f"and change it. Until then it is also in {settings.data_dir / 'initial-admin-password'}."
        )
    return _listen(house, settings)


def _listen(house: "House", settings: Settings) -> int:
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
        raise ConfigurationError("ssl_certfile, ssl_keyfile: certificate and key cannot be used") from None


def _fail(code: int, text: str) -> int:
    _tell(text)
    return code


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
