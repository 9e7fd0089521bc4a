"""The moment at which the page opens."""

import asyncio
import http.client
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.cli.listening import Server

STARTING_SECONDS = 0.3


def test_the_first_request_meets_a_house_that_is_at_work() -> None:
    """It had been answered that there is no engine, in the moment between listening and starting."""
    at_work = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=200 if at_work.is_set() else 503)(scope, receive, send)

    def start() -> None:
        threading.Event().wait(STARTING_SECONDS)
        at_work.set()

    def first_answer() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/")
        status = connection.getresponse().status
        connection.close()
        server.should_exit = True
        return status

    with socket.create_server(("127.0.0.1", 0)) as bound, ThreadPoolExecutor(1) as stranger:
        port = bound.getsockname()[1]
        server = Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"), start)
        answer = stranger.submit(first_answer)  # it is listened to already, and waits for its answer
        asyncio.run(server.serve(sockets=[bound]))
        assert answer.result() == 200
