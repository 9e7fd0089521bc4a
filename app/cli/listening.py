"""Sockets, signals, the tunnel: the time between the first page and the last."""

import asyncio
import contextlib
import gc
import ipaddress
import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn

from app import logs
from app.bootstrap import House
from app.cli.texts import text
from app.settings import ConfigurationError, Settings
from app.web.server import build_app
from app.web.tunnel import close_tunnels, open_tunnel

log = logging.getLogger(__name__)

LAST_PORT: Final = 7869
GRACE_SECONDS: Final = 2
# Whatever still hangs then, a thread or a child, the jobs wait in the database.
LAST_SECONDS: Final = 9.0
LOOPBACK: Final = "127.0.0.1"
LOOK_EVERY: Final = 0.5
WILDCARDS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - only compared


class PortBusyError(Exception):
    """The port is taken; the text says which."""


class Server(uvicorn.Server):
    """Leaves the signals to us: uvicorn would end the process by the signal, not with exit code 0.

    `on_started` is called between listening and the first request.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listening:
    """Runs the page, then the model behind it, until SIGINT or SIGTERM."""

    def __init__(self, house: House, settings: Settings) -> None:
        self._house = house
        self._settings = settings
        self._stop = asyncio.Event()
        self._servers: list[Server] = []
        try:
            self._app = build_app(
                house.studio,
                root_path=settings.root_path,
                trusted_proxies=settings.trusted_proxies,
                access_log=settings.access_log,
            )
        except ValueError as error:
            raise ConfigurationError(text("serve.refused", why=f"trusted_proxies: {error}")) from None

    async def run(self) -> None:
        """Raises PortBusyError before anything is served."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell_loop_error)
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self._stop.set)
        closed = self._must_stay_local()
        wanted = LOOPBACK if closed else self._settings.host
        if closed:
            self._try_host()
        bound = self._bind(wanted)
        port: int = bound.getsockname()[1]
        serving = [asyncio.create_task(self._serve(bound, lifespan="on", on_started=self._house.start))]
        await self._until_started(serving[0])
        self._announce("ready", "Atelier is ready at", self._url(wanted, port))
        # What Gradio has loaded stays to the end; looking through it stops every answer for 150 ms.
        gc.collect()
        gc.freeze()
        opening = asyncio.create_task(self._open_up(serving, port, closed=closed))
        await self._stop.wait()
        opening.cancel()
        await self._shut_down(serving)

    async def _open_up(self, serving: list[asyncio.Task[None]], port: int, *, closed: bool) -> None:
        """Once the first password is changed: listen where the settings say, and make the public link."""
        if closed:
            log.warning("%s", text("serve.local-only", host=LOOPBACK))
            while self._must_stay_local():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), LOOK_EVERY)
                    return
            if not _is_loopback(self._settings.host):
                self._move(serving, port)
        if self._settings.share:
            await self._share(port)

    def _move(self, serving: list[asyncio.Task[None]], port: int) -> None:
        """Stop listening on loopback alone; connections that are open stay. Back again if the host cannot be had."""
        for server in self._servers[0].servers:
            server.close()
        host = self._settings.host
        try:
            bound = self._bind(host, port)
        except PortBusyError as error:
            log.error("%s", error)
            host, bound = LOOPBACK, self._bind(LOOPBACK, port)
        serving.append(asyncio.create_task(self._serve(bound, lifespan="off", on_started=lambda: None)))
        self._announce("ready", "Atelier is ready at", self._url(host, port))

    def _try_host(self) -> None:
        """Find out before anything is served whether the host can be listened on later."""
        try:
            _listening_socket(self._settings.host, 0).close()
        except OSError:
            raise PortBusyError(text("serve.no-address", host=self._settings.host)) from None

    async def _share(self, port: int) -> None:
        host = (
            LOOPBACK if self._settings.host in WILDCARDS or _is_loopback(self._settings.host) else self._settings.host
        )
        if self._settings.ssl_certfile:
            log.warning("%s", text("serve.share-tls"))
            return
        try:
            url = await _in_daemon_thread(open_tunnel, host, port)
        except Exception as error:  # noqa: BLE001 - whatever the tunnel does, the local page goes on
            log.warning("%s", text("serve.no-link", why=type(error).__name__))
            return
        self._announce("share", "Public link:", url)

    async def _serve(self, bound: socket.socket, *, lifespan: str, on_started: Callable[[], None]) -> None:
        config = uvicorn.Config(
            self._app,
            lifespan="on" if lifespan == "on" else "off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=self._settings.ssl_certfile,
            ssl_keyfile=self._settings.ssl_keyfile,
        )
        server = Server(config, on_started)
        self._servers.append(server)
        await server.serve(sockets=[bound])

    async def _until_started(self, serving: asyncio.Task[None]) -> None:
        while not (self._servers and self._servers[0].started):
            done, _ = await asyncio.wait([serving], timeout=0.02)
            if done:
                serving.result()
                raise ConfigurationError(text("serve.no-page"))

    async def _shut_down(self, serving: list[asyncio.Task[None]]) -> None:
        """Open polls are let go, the running step ends, children end, unfinished jobs wait."""
        last = threading.Timer(LAST_SECONDS, os._exit, [0])
        last.daemon = True
        last.start()
        self._house.studio.progress.close()
        self._house.studio.identities.close()
        for server in self._servers:
            server.should_exit = True
        await asyncio.gather(asyncio.to_thread(self._house.stop), *serving)
        self._house.close()
        close_tunnels()

    def _bind(self, host: str, port: int | None = None) -> socket.socket:
        given = port is not None or "port" in self._settings.model_fields_set
        first = port or self._settings.port
        for each in range(first, first + 1 if given else LAST_PORT + 1):
            try:
                return _listening_socket(host, each)
            except OSError as error:
                log.debug("port %d: %s", each, error)
        if given:
            raise PortBusyError(text("serve.busy", port=first, host=host))
        raise PortBusyError(text("serve.all-busy", first=first, last=LAST_PORT, host=host))

    def _must_stay_local(self) -> bool:
        public = self._settings.share or not _is_loopback(self._settings.host)
        return public and self._house.studio.initial_password.kept()

    def _url(self, host: str, port: int) -> str:
        shown = LOOPBACK if host in WILDCARDS else host
        shown = f"[{shown}]" if ":" in shown else shown
        return f"{'https' if self._settings.ssl_certfile else 'http'}://{shown}:{port}"

    def _announce(self, event: str, words: str, url: str) -> None:
        as_json = self._settings.log_format == "json"
        logs.announce(json.dumps({"event": event, "url": url}) if as_json else f"{words} {url}")


def _tell_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The loop's own words show what a call was given and what an error says."""
    error = context.get("exception")
    what = str(context.get("message", "")).partition("(")[0]
    log.error("%s: %s", what, type(error).__name__, exc_info=None if error is None else logs.where(error))


async def _in_daemon_thread(work: Callable[[str, int], str], host: str, port: int) -> str:
    """The work's answer. Unlike the event loop's own threads, this one keeps no process from ending."""
    loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def settle(set_it: Callable[..., None], value: object) -> None:
        if not answer.done():
            set_it(value)

    def run() -> None:
        try:
            outcome = (answer.set_result, work(host, port))
        except Exception as error:  # noqa: BLE001 - handed over to whoever waits
            outcome = (answer.set_exception, error)  # type: ignore[assignment]
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="tunnel", daemon=True).start()
    return str(await answer)


def _listening_socket(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    # asyncio sets TCP_NODELAY only where the protocol is named; without it answers wait 40 ms for an acknowledgement.
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(1024)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)  # noqa: FBT003 - the library's signature
    return bound


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
