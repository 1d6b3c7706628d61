"""What a process that reads a hostile file can do: answer, or end."""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, process, reading
from gpuae.storage.hdf5.process import ReadingProcess, RestedError, forked, questions

ROOM = 1 << 30


def process_of(descriptor, serve, memory, silent_seconds=30):
    return ReadingProcess(forked(descriptor, serve, memory), silent_seconds)


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
        begun.append(process_of(descriptor, lambda c: questions(c, answer, seconds), memory))
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
    asked = process_of(descriptor, lambda c: questions(c, said(lambda _: os.getpid()), 5), ROOM)
    number = asked.ask(0)[0]
    del asked
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_it_ends_when_whoever_asked_was_killed(descriptor):
    read, write = os.pipe()
    between = os.fork()
    if between == 0:
        asked = process_of(descriptor, lambda c: questions(c, said(lambda _: os.getpid()), 5), ROOM)
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

    asked = process_of(descriptor, lie, ROOM)
    with pytest.raises(EOFError):
        asked.ask(0)
    asked.end()


def test_an_answer_that_does_not_come_is_not_waited_for(descriptor):
    asked = process_of(descriptor, lambda c: (c.receive(), time.sleep(60)), ROOM, 0.2)
    with pytest.raises(EOFError):
        asked.ask(0)
    assert not asked.is_there


def test_a_process_that_nobody_asks_ends_and_says_so(descriptor, monkeypatch):
    monkeypatch.setattr(process, "RESTING_SECONDS", 0.1)
    asked = process_of(descriptor, lambda c: questions(c, said(lambda q: q), 5), ROOM)
    assert asked.ask(1)[0] == 1
    time.sleep(0.5)
    with pytest.raises(RestedError):
        asked.ask(2)
    assert not asked.is_there


def test_where_files_are_not_listed_all_but_two_are_closed_too(started, descriptor, monkeypatch):
    monkeypatch.setattr(process, "_beyond_open", lambda: os.sysconf("SC_OPEN_MAX"))
    assert started(said(lambda _: sum(map(_is_open, range(200))))).ask(0)[0] == 2


WAYS = pytest.mark.parametrize("forks", [True, False], ids=["forked", "spawned"])


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "given.h5", "w") as file:
        file.create_dataset("group/x", data=np.arange(12.0).reshape(4, 3), compression="lzf")
        file["words"] = ["a", "ö"]
    return tmp_path / "given.h5"


def rows_of(path):
    with opening.opened(InputFile(path)) as file:
        return reading.dataset_at(file, "group/x")


def box(rows):
    return rows.values((slice(1, 3), slice(0, 3))).tolist()


EXPECTED = [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]


@WAYS
def test_a_file_is_read_by_a_copy_of_the_program_or_by_python_anew(path, forks, monkeypatch):
    monkeypatch.setattr(opening, "FORKS", forks)
    assert box(rows_of(path)) == EXPECTED
    with opening.opened(InputFile(path)) as file:
        assert reading.optional_array(file, "words").tolist() == ["a", "ö"]


def test_where_no_copy_can_be_made_python_is_started_anew(path, monkeypatch):
    monkeypatch.setattr(os, "fork", _no_more)
    assert box(rows_of(path)) == EXPECTED


def test_where_no_process_can_be_started_one_sentence_says_so(path, monkeypatch):
    monkeypatch.setattr(os, "fork", _no_more)
    monkeypatch.setattr(process.subprocess, "Popen", _no_more)
    with pytest.raises(
        InputError, match=r"given\.h5: cannot be read, for no process can be started"
    ):
        rows_of(path)


def _no_more(*_, **__):
    raise BlockingIOError(11, "Resource temporarily unavailable")


@WAYS
def test_standard_input_and_output_may_be_closed(path, forks, run_python):
    run_python(
        "import os\n"
        "from pathlib import Path\n"
        "from gpuae.storage.files.input_file import InputFile\n"
        "from gpuae.storage.hdf5 import opening, reading\n"
        f"opening.FORKS = {forks}\n"
        "os.close(0), os.close(1)\n"
        f"given = InputFile(Path({str(path)!r}))\n"
        "assert given.descriptor == 0\n"
        "with opening.opened(given) as file:\n"
        "    assert reading.optional_array(file, 'words').tolist() == ['a', 'ö']\n"
    )


def test_rows_are_found_again_by_another_process(path, monkeypatch):
    monkeypatch.setattr(process, "RESTING_SECONDS", 0.1)
    rows = rows_of(path)
    time.sleep(0.5)
    assert box(rows) == EXPECTED


def test_a_copy_of_the_program_asks_a_process_of_its_own(path):
    rows = rows_of(path)
    copied = os.fork()
    if copied == 0:
        os._exit(0 if box(rows) == EXPECTED else 1)
    assert os.waitpid(copied, 0)[1] == 0
    assert box(rows) == EXPECTED


def test_whoever_takes_note_of_all_children_is_no_hindrance(path):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert box(rows_of(path)) == EXPECTED
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_file_that_is_cut_while_it_is_read_is_said_to_have_changed(path):
    with opening.opened(InputFile(path)) as file:
        os.truncate(path, 100)
        with pytest.raises(InputError, match="has changed while it was read"):
            file.find("group/x")


def test_a_process_that_always_says_that_nobody_asked_is_an_end(path, monkeypatch):
    def lie(*_):
        return lambda channel: (channel.receive(), channel.send(process.RESTED))

    monkeypatch.setattr(opening.reader, "reading", lie)
    with pytest.raises(InputError, match="HDF5 crashes or does not come to an end"):
        rows_of(path)
