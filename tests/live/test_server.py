"""Who is let in, what is sent to whom, and that nobody waits for a page."""

import select
import socket
import threading
import time
from contextlib import closing, suppress

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import OutputError
from gpuae.live.run import Asked
from gpuae.live.server import listen
from gpuae.training.fitting import fit
from gpuae.training.history import EpochRecord
from gpuae.training.interruption import Interrupted

FILES = {"": "text/html", "page.js": "text/javascript", "draw.js": "text/javascript"}


def begin(run, epochs=5):
    run.training_starts(Config(epochs=epochs), 4, 100)


def record(epoch, loss=0.5):
    return EpochRecord(epoch, loss, loss + 0.1, 1e-3, 0.1)


@pytest.mark.parametrize("name", FILES)
def test_the_page_and_its_files_may_take_nothing_from_elsewhere(served, name):
    answer, body = served.send(served.path + name)
    assert (answer.status, len(body) > 500) == (200, True)
    assert answer.headers["content-type"].startswith(FILES[name])
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert answer.headers["cache-control"] == "no-store"
    assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"https://" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/page.js",
        "/events",
        "/keep",
        "/{}x/",
        "/x{}/",
        "//{}/",
        "/%C3%A9/",
        "/%FF/",
        "/{}/nothing",
    ],
)
def test_without_the_token_there_is_nothing(served, path):
    asked = path.format(served.path.strip("/"))
    for method in ("GET", "POST"):
        answer, body = served.send(asked, method, Origin=served.origin)
        assert (answer.status, body) == (404, b"Not Found")


def test_tokens_are_long_and_never_the_same(serve):
    one, other = serve().path, serve().path
    assert one != other
    assert len(one) >= 22


def test_it_is_only_there_for_this_machine(served):
    assert served.server._socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_a_name_that_somebody_lets_point_here_is_refused(served, host):
    answer, _ = served.send(served.path, Host=host)
    assert answer.status == 400


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "{}", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "{}", "Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_button_is_pressed_by_the_page_and_nobody_else(served, sent):
    headers = {name: value.format(served.origin) for name, value in sent.items()}
    answer, _ = served.send(f"{served.path}stop", "POST", **headers)
    assert answer.status == 403
    served.run.between_steps(lambda: pytest.fail("nobody looks"))


@pytest.mark.parametrize("wish", [Asked.KEEP, Asked.STOP])
def test_a_button_ends_training_between_two_steps(served, wish):
    answer, _ = served.send(f"{served.path}{wish.value}", "POST", Origin=served.origin)
    assert answer.status == 204
    assert served.run.asked is wish
    with pytest.raises(Interrupted):
        served.run.between_steps(lambda: pytest.fail("nobody looks"))
    assert served.until("status")["state"] == "stopping"


def test_the_first_button_counts(served):
    for wish in ("keep", "stop"):
        served.send(f"{served.path}{wish}", "POST", Origin=served.origin)
    assert served.run.asked is Asked.KEEP


def test_looking_at_a_button_presses_nothing(served):
    answer, _ = served.send(f"{served.path}stop", Origin=served.origin)
    assert answer.status == 405
    assert served.run.asked is Asked.NOTHING


def test_a_ticket_leads_to_the_page_once(served):
    given = []
    assert served.server.open(lambda address: bool(given.append(address)) or True)
    path = given[0].removeprefix(served.origin)
    assert served.path.strip("/") not in path
    answer, _ = served.send(path)
    assert (answer.status, answer.headers["location"]) == (303, served.path)
    assert served.send(path)[0].status == 404


def test_who_knows_no_token_leaves_the_files_to_training(served, monkeypatch):
    monkeypatch.setattr("gpuae.live.connection.PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr("gpuae.live.connection.MOST_CONNECTIONS", 8)
    held = [socket.create_connection((served.host, served.port)) for _ in range(12)]
    time.sleep(0.3)
    refused, _, _ = select.select(held, [], [], 0)
    assert len(refused) == 4
    for own in held[::2]:
        with suppress(OSError):
            own.sendall(b"GET / HTTP/1.1\r\nHost: loc")
    assert all(ended(own) for own in held)
    assert served.send(served.path)[0].status == 200


def test_a_connection_on_which_nothing_more_is_asked_ends(served, monkeypatch):
    monkeypatch.setattr("gpuae.live.connection.PATIENCE_SECONDS", 0.1)
    with socket.create_connection((served.host, served.port)) as own:
        own.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        assert ended(own)


def test_a_page_that_is_open_stays_so(served, monkeypatch):
    monkeypatch.setattr("gpuae.live.connection.PATIENCE_SECONDS", 0.05)
    with closing(served.events()) as events:
        next(events)
        time.sleep(0.3)
        served.run.note("still")
        assert next(own for name, own in events if name == "log" and own)


def test_a_server_that_has_died_is_no_reason_to_fail(served):
    served.server._loop.result().call_soon_threadsafe(served.server._uvicorn.end)
    served.server._thread.join(5)
    served.end()


def ended(connection):
    """Whether the other end closes a connection soon."""
    connection.settimeout(5)
    with connection, suppress(ConnectionError):
        while connection.recv(1000):
            pass
    return True


def test_a_page_that_only_watches_has_no_buttons(serve):
    served = serve(buttons=False)
    answer, _ = served.send(f"{served.path}stop", "POST", Origin=served.origin)
    assert answer.status == 404
    assert served.until("subject")["buttons"] is False


def test_a_port_that_is_taken_is_refused_in_a_sentence(served):
    with pytest.raises(OutputError, match=rf"--port {served.port}: cannot be had .*in use"):
        listen(served.port)


def test_what_is_heard_is_sent(served):
    run = served.run
    run.note("the column 'x' is constant")
    assert [text for _, text in served.until("log")] == ["the column 'x' is constant"]
    assert served.until("status")["headline"] == "Getting ready"
    begin(run)
    run.rows_done(1, 50)
    shown = served.until("progress", lambda own: own["epochs"])
    assert (shown["epoch"], shown["epochs"], shown["share"]) == (1, 5, 0.1)
    run.epoch_done(record(1))
    loss, rate = served.until("curves", len)
    assert loss["series"][0]["y"] == [0.5]
    assert loss["series"][1]["y"] == [0.6]
    assert rate["series"][0]["y"] == [1e-3]


def test_a_page_that_comes_late_or_again_is_sent_all_of_it(served):
    begin(served.run)
    for epoch in range(1, 4):
        served.run.epoch_done(record(epoch))
    for _ in range(2):
        assert served.until("curves", len)[0]["series"][0]["x"] == [1, 2, 3]


def test_the_end_is_the_last_that_is_sent_and_the_port_is_free_then(served):
    heard = []
    thread = threading.Thread(target=lambda: heard.extend(served.events()))
    thread.start()
    while not heard:
        time.sleep(0.01)
    begin(served.run)
    served.run.epoch_done(record(1, 0.25))
    served.end()
    thread.join(5)
    assert heard[-1] == ("end", {})
    last = dict(heard)
    assert last["status"] == {
        "state": "ended",
        "headline": "Finished",
        "lines": ["wrote model.h5"],
    }
    assert last["curves"][0]["series"][0]["y"] == [0.25]
    listen(served.port).close()


class Model:
    """Stands for a model that takes long to copy."""


def test_nobody_copies_weights_for_a_page_that_nobody_looks_at(served):
    begin(served.run)
    time.sleep(0.6)
    served.run.between_steps(lambda: pytest.fail("nobody looks"))


def test_training_waits_a_hundredth_of_its_time_for_copies(served, monkeypatch):
    monkeypatch.setattr("gpuae.live.painter.Painter._weights", lambda *_: None)
    begin(served.run)
    copies = []

    def so_far():
        time.sleep(0.02)
        copies.append(time.perf_counter())
        return Model()

    with closing(served.events()) as look:
        next(look)
        while not copies:
            served.run.between_steps(so_far)
            time.sleep(0.01)
        until = time.perf_counter() + 1.0
        while time.perf_counter() < until:
            served.run.weights.ask()
            served.run.between_steps(so_far)
    assert len(copies) == 1


@pytest.mark.alone
def test_whoever_reads_slowly_keeps_nobody_waiting(served, monkeypatch):
    monkeypatch.setattr("gpuae.live.painter.Painter._weights", lambda *_: None)
    begin(served.run, 10_000)
    slowest = 0.0
    with socket.create_connection((served.host, served.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        asked = f"GET {served.path}events HTTP/1.1\r\nHost: {served.host}\r\n\r\n"
        deaf.sendall(asked.encode())
        for epoch in range(1, 2001):
            began = time.perf_counter()
            served.run.note("x" * 2000)
            served.run.epoch_done(record(epoch))
            served.run.between_steps(Model)
            slowest = max(slowest, time.perf_counter() - began)
            if epoch % 200 == 0:
                time.sleep(0.1)
        assert slowest < 0.1
        assert served.until("progress", lambda own: own["epoch"] == 2000)
        began = time.perf_counter()
        served.end()
        assert time.perf_counter() - began < 1.5


def test_a_whole_training_is_seen_with_its_weights_and_reconstructions(served, low_rank):
    from gpuae.pictures.sample import Sample
    from gpuae.storage.rows.dataset import Dataset

    x = low_rank(200, 6).astype(np.float32)
    served.run.sample = Sample.of(Dataset(x, "X"), 3)
    seen = {}
    settings = Config(hidden=(2,), epochs=100_000, patience=0, validation=0.1)
    fitted = threading.Thread(target=lambda: fit(x, settings, observer=served.run))
    fitted.start()
    with closing(served.events()) as events:
        for name, own in events:
            seen[name] = own
            if {"weights", "reconstructions"} <= seen.keys() and seen["curves"]:
                break
    served.send(f"{served.path}stop", "POST", Origin=served.origin)
    fitted.join(10)
    assert not fitted.is_alive()
    assert seen["weights"]["panels"][0]["kind_of"] == "Profiles"
    assert len(seen["reconstructions"]["panels"][0]["captions"]) == 3
