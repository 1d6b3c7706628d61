"""Threads that do one piece of work side by side, and meet."""

import signal
import threading
import time

import pytest

from gpuae.errors import GpuaeError
from gpuae.training.crew import Crew, available_cores

pytestmark = pytest.mark.alone


def test_every_member_works_once():
    done = []
    with Crew(3) as crew:
        crew.run(done.append)
        crew.run(done.append)
    assert sorted(done) == [0, 0, 1, 1, 2, 2]


def test_members_wait_for_each_other():
    log = []
    with Crew(2) as crew:

        def work(member):
            time.sleep(0.05 * member)
            log.append("before")
            crew.meet()
            log.append("after")

        crew.run(work)
    assert log == ["before", "before", "after", "after"]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_the_error_of_a_member_frees_the_others_and_is_raised(failing):
    with Crew(3) as crew:

        def work(member):
            if member == failing:
                raise ValueError(f"member {member}")
            crew.meet()

        with pytest.raises(ValueError, match=f"member {failing}"):
            crew.run(work)
        met = []
        crew.run(lambda member: met.append(crew.meet()))
        assert met == [False] * 3


def test_ctrl_c_stops_all_members_at_the_same_meeting():
    steps = [0, 0, 0]
    with Crew(3) as crew:

        def work(member):
            for _ in range(10_000):
                steps[member] += 1
                time.sleep(0.001 * member)
                if crew.meet():
                    return

        main = threading.main_thread().ident
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            crew.run(work)
        assert 1 < steps[0] == steps[1] == steps[2] < 10_000
        assert crew.stopping
        crew.run(lambda member: None)
        assert not crew.stopping
    timer.join()


def test_ctrl_c_while_members_are_sent_to_work_leaves_nobody_waiting(run_python):
    """The first member is at the meeting already, and the second one never comes."""
    run_python(
        "from gpuae.training.crew import Crew\n"
        "crew = Crew(2)\n"
        "submit, sent = crew._executor.submit, []\n"
        "def interrupted(*work):\n"
        "    if sent:\n"
        "        raise KeyboardInterrupt\n"
        "    sent.append(work)\n"
        "    return submit(*work)\n"
        "crew._executor.submit = interrupted\n"
        "try:\n"
        "    with crew:\n"
        "        crew.run(lambda member: crew.meet())\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n",
        timeout=10,
    )


def test_ctrl_c_right_after_a_member_was_sent_leaves_nobody_waiting(run_python):
    """The member is at work, and the list of those at work does not have it yet."""
    run_python(
        "from gpuae.training.crew import Crew\n"
        "crew = Crew(2)\n"
        "submit = crew._executor.submit\n"
        "def interrupted(*work):\n"
        "    submit(*work)\n"
        "    raise KeyboardInterrupt\n"
        "crew._executor.submit = interrupted\n"
        "try:\n"
        "    with crew:\n"
        "        crew.run(lambda member: crew.meet())\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n",
        timeout=10,
    )


def test_however_often_ctrl_c_is_pressed_members_end_first():
    ended = []
    main = threading.main_thread().ident
    timers = [
        threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGINT))
        for seconds in (0.1, 0.2, 0.3)
    ]
    with Crew(2) as crew:

        def work(member):
            time.sleep(0.8)
            ended.append(member)

        for timer in timers:
            timer.start()
        with pytest.raises(KeyboardInterrupt):
            crew.run(work)
        assert sorted(ended) == [0, 1]


def test_work_without_meetings_hears_of_a_failure():
    with Crew(2) as crew:

        def work(member):
            if member == 0:
                raise ValueError("planted")
            for _ in range(1000):
                if crew.stopping:
                    return
                time.sleep(0.01)
            raise RuntimeError("never heard of it")

        with pytest.raises(ValueError, match="planted"):
            crew.run(work)


def test_no_threads_are_left_behind():
    before = threading.active_count()
    with Crew(4) as crew:
        crew.run(lambda member: None)
    assert threading.active_count() == before


def test_there_is_at_least_one_core():
    assert available_cores() >= 1


def test_a_thread_that_cannot_start_lets_none_begin(monkeypatch):
    """Those who are there already would wait for it for ever."""
    begun, honest = [], threading.Thread.start

    def start(thread):
        if begun or threading.active_count() > before:
            raise RuntimeError("can't start new thread")
        honest(thread)

    with Crew(3) as crew:
        before = threading.active_count()
        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            crew.run(begun.append)
    assert begun == []


def test_ctrl_c_at_any_moment_starts_all_or_none_and_leaves_nobody_waiting(run_python):
    run_python(
        "import random, signal, threading, time\n"
        "from gpuae.training.crew import Crew\n"
        "signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))\n"
        "heard = 0\n"
        "for trial in range(500):\n"
        "    begun, crew = [], Crew(4)\n"
        "    delay = random.Random(trial).uniform(2e-5, 1e-3)\n"
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, delay)\n"
        "        crew.run(begun.append)\n"
        "        time.sleep(1)\n"
        "    except KeyboardInterrupt:\n"
        "        heard += 1\n"
        "    crew.__exit__()\n"
        "    assert len(begun) in (0, 4), begun\n"
        "assert heard == 500, heard\n"
        "assert threading.active_count() == 1\n"
    )


def test_a_container_grants_fewer_cores_than_the_machine_has(tmp_path, monkeypatch):
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr("gpuae.training.crew.CPU_MAX", quota)
    whole = available_cores()
    for text, cores in (("max 100000", whole), ("50000 100000", 1), ("", whole)):
        quota.write_text(text)
        assert available_cores() == cores


@pytest.fixture
def threads_to_be_had(monkeypatch):
    """A function that sets how many threads the system lets run at once."""

    def limit(most):
        before, start = threading.active_count(), threading.Thread.start

        def refused(thread):
            if threading.active_count() - before >= most:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refused)

    return limit


@pytest.mark.parametrize(("most", "size"), [(1, 1), (3, 2), (4, 3), (9, 4)])
def test_where_there_are_fewer_threads_the_crew_is_smaller(threads_to_be_had, most, size):
    threads_to_be_had(most)
    done = []
    with Crew(4) as crew:
        assert crew.size == size
        crew.run(lambda member: done.append((member, crew.meet())))
    assert sorted(done) == [(member, False) for member in range(size)]


def test_where_there_are_none_it_is_said(threads_to_be_had):
    threads_to_be_had(0)
    with pytest.raises(GpuaeError, match="no thread be started"):
        Crew(4)
