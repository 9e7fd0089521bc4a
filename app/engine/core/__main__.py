"""The engine child: `python -m app.engine.core FD`, started by `app.engine.child` with one end of a socket pair."""

import signal
import sys
from multiprocessing.connection import Connection
from typing import cast

from app import logs
from app.engine.core.worker import Worker
from app.engine.wire import Setup


def main() -> None:
    # Ctrl+C goes to the whole process group; the parent decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    try:
        setup = cast("Setup", connection.recv())
    except (EOFError, OSError):
        sys.exit("the engine child is started by Atelier, not by hand")
    logs.configure(setup.log_level, setup.log_format)
    Worker(connection).serve(setup)


if __name__ == "__main__":
    main()
