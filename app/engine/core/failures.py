"""Why there is no pipeline: one typed failure, with a catalogue key for people."""


class LoadError(Exception):
    """`reason` is a catalogue key with `params`; `retry` says whether trying again may help without a person."""

    def __init__(self, reason: str, /, *, retry: bool = False, **params: str | int | float) -> None:
        self.reason = reason
        self.params: dict[str, str | int | float] = params
        self.retry = retry
        super().__init__(reason)


class WrongFileError(ValueError):
    """What is wrong with a file of a model: `detail` is a catalogue key with `params`."""

    def __init__(self, detail: str, /, **params: str) -> None:
        self.detail = detail
        self.params = params
        super().__init__(detail)


class NotOnHubError(Exception):
    """The hub answers, and has no such model for us: unknown, private or gated."""
