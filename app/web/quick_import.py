"""Gradio writes an interface file beside each of its 81 components whenever it is imported, for editors.

That is more than half of the time that importing it takes, and needs a writable site-packages. It leaves classes alone
whose file cannot be found, so for the time of the import none can.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_interface_files() -> Iterator[None]:
    """Import Gradio for the first time inside this."""
    getfile = inspect.getfile

    def getfile_of_others(thing: Any) -> str:  # noqa: ANN401 - inspect's own signature
        if type(thing).__name__ == "ComponentMeta":
            raise OSError("not for components")
        return getfile(thing)

    inspect.getfile = getfile_of_others  # type: ignore[assignment]  # the same for whoever calls it
    try:
        yield
    finally:
        inspect.getfile = getfile
