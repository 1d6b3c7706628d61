"""What a process that reads a hostile file can do: answer, or end."""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

import h5py
import pytest

from gpuae.storage.hdf5 import process
from gpuae.storage.hdf5.process import ReadingProcess, questions

ROOM = 1 << 30


@pytest.fixture
def descriptor(tmp_path):
    (tmp_path / "given").write_bytes(b"given")
    opened = os.open(tmp_path / "given", os.O_RDONLY)
    yield opened
    os.close(opened)


@pytest.fixture
def started(descriptor):
    """A function that starts a process which answers by a function."""
    begun = []

    def start(answer, memory=ROOM, seconds=5):
        begun.append(ReadingProcess(descriptor, lambda c: questions(c, answer, seconds), memory))
        return begun[-1]

    yield start
    for one in begun:
        one.end()


def said(answer):
    """Make a function of a question's answer one that answers without bytes."""
    return lambda question: (answer(question), b"")


def test_questions_are_answered_in_another_process(started):
    asked = started(lambda question: ([os.getpid(), question], b"raw"))
    (number, question), raw = asked.ask(["what", 1])
    assert number != os.getpid()
    assert (question, raw) == (["what", 1], b"raw")


def test_the_file_is_there_and_nothing_else_can_be_opened(started, descriptor, tmp_path):
    def look(_):
        held = [n for n in range(200) if _is_open(n)]
        with pytest.raises(OSError, match="Too many open files"):
            os.open(tmp_path / "given", os.O_RDONLY)
        return [os.pread(descriptor, 9, 0).decode(), len(held), descriptor in held]

    assert started(said(look)).ask(0)[0] == ["given", 2, True]


def _is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "end",
    [
        lambda: os.kill(os.getpid(), signal.SIGSEGV),
        lambda: ctypes.CDLL(None).abort(),
        lambda: 1 / 0,
        lambda: os._exit(0),
    ],
)
def test_its_end_is_told_and_nothing_is_printed(started, end, capfd):
    asked = started(said(lambda question: end() if question else "well"))
    assert asked.ask(0)[0] == "well"
    for question in (1, 0):
        with pytest.raises(EOFError):
            asked.ask(question)
    assert capfd.readouterr() == ("", "")


def test_an_endless_loop_ends(started):
    def run_for_ever(_):
        while True:
            pass

    with pytest.raises(EOFError):
        started(said(run_for_ever), seconds=0.2).ask(0)


def test_memory_ends(started):
    def swell(size):
        try:
            return len(bytes(size))
        except MemoryError:
            return "no memory"

    asked = started(said(swell), memory=64 << 20)
    assert asked.ask(1 << 20)[0] == 1 << 20
    assert asked.ask(256 << 20)[0] == "no memory"


def test_ctrl_c_reaches_who_asks_and_does_not_end_the_answers(started):
    def interrupted(_):
        os.kill(os.getpid(), signal.SIGINT)
        return "still here"

    assert started(said(interrupted)).ask(0)[0] == "still here"


def test_ctrl_c_amid_an_answer_ends_the_process(started):
    asked = started(said(lambda _: time.sleep(60)))
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        asked.ask(0)
    with pytest.raises(EOFError):
        asked.ask(0)


def test_it_ends_with_the_object_and_leaves_no_zombie(started, descriptor):
    asked = ReadingProcess(descriptor, lambda c: questions(c, said(lambda _: os.getpid()), 5), ROOM)
    number = asked.ask(0)[0]
    del asked
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_it_ends_when_whoever_asked_was_killed(descriptor):
    read, write = os.pipe()
    between = os.fork()
    if between == 0:
        asked = ReadingProcess(
            descriptor, lambda c: questions(c, said(lambda _: os.getpid()), 5), ROOM
        )
        os.write(write, str(asked.ask(0)[0]).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(between, 0)
    number = int(os.read(read, 20))
    os.close(read)
    os.close(write)
    _wait_for_end(number)


def _wait_for_end(number):
    for _ in range(100):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.02)
    raise AssertionError(f"{number} goes on")


def test_who_has_its_number_after_it_is_not_ended(started, monkeypatch):
    asked = started(said(lambda _: os.getpid()))
    number = asked.ask(0)[0]
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    killed = []
    monkeypatch.setattr(os, "kill", lambda *given: killed.append(given))
    asked.end()
    assert killed == []


def test_what_another_thread_closes_as_it_begins_can_be_opened_again(
    started, tmp_path, monkeypatch
):
    monkeypatch.setattr(process, "_default_signals", lambda: time.sleep(0.3))
    written = h5py.File(tmp_path / "written.h5", "w")
    beginning = threading.Thread(target=started, args=(said(str),))
    beginning.start()
    time.sleep(0.1)
    written.close()
    h5py.File(tmp_path / "written.h5", "w").close()
    beginning.join()


def test_several_threads_may_ask(started):
    asked = started(said(lambda question: question))
    found = []

    def ask(number):
        found.extend(asked.ask(number)[0] == number for _ in range(50))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 200


@pytest.mark.parametrize("size", [1 << 62, 1 << 40])
def test_what_is_no_message_is_an_end(descriptor, size):
    def lie(channel):
        channel.receive()
        os.write(channel.fileno(), size.to_bytes(8, "little") * 2 + b"{")

    asked = ReadingProcess(descriptor, lie, ROOM)
    with pytest.raises(EOFError):
        asked.ask(0)
    asked.end()
