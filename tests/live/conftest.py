"""A run whose page is served, and what a browser would send to it."""

import http.client
import json
import threading
from contextlib import closing
from urllib.parse import urlsplit

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from gpuae.live.run import Outcome, Run, Subject
from gpuae.live.server import Server, listen


class Served:
    """A run on a page, and requests to it."""

    def __init__(self, *, buttons=True):
        self.run = Run(Subject("rows.csv", "model.h5", buttons), lambda *_: ["training 4-2-4"])
        self.server = Server(self.run, listen(0))
        self.server.start()
        self.ended = False
        parts = urlsplit(self.server.address)
        self.host, self.port, self.path = parts.hostname, parts.port, parts.path
        self.origin = f"http://{parts.netloc}"

    def send(self, path, method="GET", **headers):
        """Return the answer to a request, and its body."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=own)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body

    def events(self):
        """Yield (name, content) as they are sent, until the run has ended."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        connection.request("GET", f"{self.path}events")
        answer = connection.getresponse()
        name = ""
        try:
            while line := answer.readline().decode():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ").strip()
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))
        finally:
            answer.close()
            connection.close()

    def until(self, name, holds=lambda content: True):
        """Return what is sent under a name once something holds for it."""
        with closing(self.events()) as events:
            return next(own for event, own in events if event == name and holds(own))

    def end(self, headline="Finished"):
        self.ended = True
        self.server.close(Outcome(headline, ("wrote model.h5",)))


@pytest.fixture
def serve():
    """A function that serves a run; whatever is served is gone afterwards."""
    served = []

    def start(**options):
        served.append(Served(**options))
        return served[-1]

    yield start
    for own in served:
        if not own.ended:
            own.end()
    assert not [own for own in threading.enumerate() if own.name == "gpuae-live"]


@pytest.fixture
def served(serve):
    """A run whose page is served."""
    return serve()
