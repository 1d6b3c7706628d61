"""Threads that do one piece of work side by side."""

import signal
import threading
import time

import pytest

from gpuae.errors import GpuaeError
from gpuae.training.thread_pool import ThreadPool, available_cores

pytestmark = pytest.mark.alone


def test_every_member_works_once():
    done = []
    with ThreadPool(3) as pool:
        pool.run(done.append)
        pool.run(done.append)
    assert sorted(done) == [0, 0, 1, 1, 2, 2]


def test_threads_wait_for_each_other():
    log = []
    with ThreadPool(2) as pool:

        def work(member):
            time.sleep(0.05 * member)
            log.append("before")
            pool.barrier()
            log.append("after")

        pool.run(work)
    assert log == ["before", "before", "after", "after"]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_the_error_of_a_member_frees_the_others_and_is_raised(failing):
    with ThreadPool(3) as pool:

        def work(member):
            if member == failing:
                raise ValueError(f"member {member}")
            pool.barrier()

        with pytest.raises(ValueError, match=f"member {failing}"):
            pool.run(work)
        met = []
        pool.run(lambda member: met.append(pool.barrier()))
        assert met == [False] * 3


def test_ctrl_c_stops_all_threads_at_the_same_barrier():
    steps = [0, 0, 0]
    with ThreadPool(3) as pool:

        def work(member):
            for _ in range(10_000):
                steps[member] += 1
                time.sleep(0.001 * member)
                if pool.barrier():
                    return

        main = threading.main_thread().ident
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            pool.run(work)
        assert 1 < steps[0] == steps[1] == steps[2] < 10_000
        assert pool.stopping
        pool.run(lambda member: None)
        assert not pool.stopping
    timer.join()


def test_ctrl_c_while_threads_are_sent_to_work_leaves_nobody_waiting(run_python):
    """The first thread is at the barrier already, and the second one never comes."""
    run_python(
        "from gpuae.training.thread_pool import ThreadPool\n"
        "pool = ThreadPool(2)\n"
        "submit, sent = pool._executor.submit, []\n"
        "def interrupted(*work):\n"
        "    if sent:\n"
        "        raise KeyboardInterrupt\n"
        "    sent.append(work)\n"
        "    return submit(*work)\n"
        "pool._executor.submit = interrupted\n"
        "try:\n"
        "    with pool:\n"
        "        pool.run(lambda member: pool.barrier())\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n",
        timeout=10,
    )


def test_ctrl_c_right_after_a_member_was_sent_leaves_nobody_waiting(run_python):
    """The member is at work, and the list of those at work does not have it yet."""
    run_python(
        "from gpuae.training.thread_pool import ThreadPool\n"
        "pool = ThreadPool(2)\n"
        "submit = pool._executor.submit\n"
        "def interrupted(*work):\n"
        "    submit(*work)\n"
        "    raise KeyboardInterrupt\n"
        "pool._executor.submit = interrupted\n"
        "try:\n"
        "    with pool:\n"
        "        pool.run(lambda member: pool.barrier())\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n",
        timeout=10,
    )


def test_however_often_ctrl_c_is_pressed_threads_end_first():
    ended = []
    main = threading.main_thread().ident
    timers = [
        threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGINT))
        for seconds in (0.1, 0.2, 0.3)
    ]
    with ThreadPool(2) as pool:

        def work(member):
            time.sleep(0.8)
            ended.append(member)

        for timer in timers:
            timer.start()
        with pytest.raises(KeyboardInterrupt):
            pool.run(work)
        assert sorted(ended) == [0, 1]


def test_work_without_barriers_hears_of_a_failure():
    with ThreadPool(2) as pool:

        def work(member):
            if member == 0:
                raise ValueError("planted")
            for _ in range(1000):
                if pool.stopping:
                    return
                time.sleep(0.01)
            raise RuntimeError("never heard of it")

        with pytest.raises(ValueError, match="planted"):
            pool.run(work)


def test_no_threads_are_left_behind():
    before = threading.active_count()
    with ThreadPool(4) as pool:
        pool.run(lambda member: None)
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

    with ThreadPool(3) as pool:
        before = threading.active_count()
        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            pool.run(begun.append)
    assert begun == []


def test_ctrl_c_at_any_moment_starts_all_or_none_and_leaves_nobody_waiting(run_python):
    run_python(
        "import random, signal, threading, time\n"
        "from gpuae.training.thread_pool import ThreadPool\n"
        "signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))\n"
        "heard = 0\n"
        "for trial in range(500):\n"
        "    begun, pool = [], ThreadPool(4)\n"
        "    delay = random.Random(trial).uniform(2e-5, 1e-3)\n"
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, delay)\n"
        "        pool.run(begun.append)\n"
        "        time.sleep(1)\n"
        "    except KeyboardInterrupt:\n"
        "        heard += 1\n"
        "    pool.__exit__()\n"
        "    assert len(begun) in (0, 4), begun\n"
        "assert heard == 500, heard\n"
        "assert threading.active_count() == 1\n"
    )


def test_a_container_grants_fewer_cores_than_the_machine_has(tmp_path, monkeypatch):
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr("gpuae.training.thread_pool.CPU_MAX", quota)
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
    with ThreadPool(4) as pool:
        assert pool.size == size
        pool.run(lambda member: done.append((member, pool.barrier())))
    assert sorted(done) == [(member, False) for member in range(size)]


def test_where_there_are_none_it_is_said(threads_to_be_had):
    threads_to_be_had(0)
    with pytest.raises(GpuaeError, match="no thread be started"):
        ThreadPool(4)
