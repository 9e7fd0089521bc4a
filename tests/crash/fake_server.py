"""`launch.py` with an engine that takes no time: the real server, made to be killed often.

Takes the flags of launch.py. Loads everything once, then starts a server for each line on standard input, as a process
of its own; says its process id, and when it has ended its exit code. FAKE_STEP_SECONDS is what a step takes.
"""

import os
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app import bootstrap
from app.cli import serve
from app.cli.flags import parser
from app.settings import load
from tests.engine.fake_engine import FakeEngine


def main() -> None:
    settings = load(**vars(parser().parse_args()))
    serve.prepare_environment(settings.data_dir)
    from app.web.quick_import import without_interface_files

    with without_interface_files():
        # Most of a start is spent here; nothing runs and no thread lives afterwards.
        import app.cli.listening  # noqa: F401

    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(run())
        tell(pid)
        tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def run() -> int:
    """In the new process."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    engine = FakeEngine(step_delay=float(os.environ.get("FAKE_STEP_SECONDS", "0.005")))
    try:
        with patch.object(bootstrap, "build", partial(bootstrap.build, engine=engine)):
            return serve.main()
    except BaseException as error:  # noqa: BLE001 - nobody else will tell
        sys.stderr.write(f"Traceback: {type(error).__name__} {error}\n")
        sys.stderr.flush()
        return 1


if __name__ == "__main__":
    main()
