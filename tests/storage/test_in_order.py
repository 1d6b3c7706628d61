import threading
import time

import numpy as np
import pytest

from gpuae.storage.outputs import in_order
from gpuae.storage.outputs.in_order import InOrder

ROWS = np.arange(1000)


class Taken:
    def __init__(self):
        self.starts, self.values = [], []

    def __call__(self, start, rows):
        self.starts.append(start)
        self.values += rows.tolist()


def test_blocks_in_any_order_come_out_in_theirs():
    taken = Taken()
    blocks = InOrder(taken)
    starts = np.random.default_rng(0).permutation(range(0, 1000, 30))
    for start in starts:
        blocks.put(int(start), ROWS[start : start + 30])
    assert taken.values == ROWS.tolist()
    assert taken.starts == list(range(0, 1000, 30))
    assert blocks.reached == 1000


def test_a_gap_holds_back_what_follows():
    taken = Taken()
    blocks = InOrder(taken)
    blocks.put(0, ROWS[:10])
    blocks.put(20, ROWS[20:30])
    assert blocks.reached == 10
    assert len(taken.values) == 10


def test_a_thread_that_is_far_ahead_waits_for_the_others(monkeypatch):
    monkeypatch.setattr(in_order, "WAITING_BYTES", ROWS[:20].nbytes)
    monkeypatch.setattr(in_order, "PATIENCE_SECONDS", 30)
    taken = Taken()
    blocks = InOrder(taken)
    ahead = threading.Thread(
        target=lambda: [blocks.put(start, ROWS[start : start + 10]) for start in range(10, 100, 10)]
    )
    ahead.start()
    ahead.join(0.2)
    assert ahead.is_alive()
    assert sum(len(block) for block in blocks._early.values()) <= 20
    blocks.put(0, ROWS[:10])
    ahead.join(10)
    assert not ahead.is_alive()
    assert taken.values == list(range(100))


def test_nobody_waits_for_ever_for_a_block_that_does_not_come(monkeypatch):
    monkeypatch.setattr(in_order, "WAITING_BYTES", 0)
    monkeypatch.setattr(in_order, "PATIENCE_SECONDS", 0.01)
    blocks = InOrder(Taken())
    began = time.perf_counter()
    for start in range(10, 50, 10):
        blocks.put(start, ROWS[start : start + 10])
    assert time.perf_counter() - began < 5
    assert blocks.reached == 0


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_that_take_turns_lose_nothing(threads):
    taken = Taken()
    blocks = InOrder(taken)

    def member(index):
        for start in range(7 * index, 1000, 7 * threads):
            blocks.put(start, ROWS[start : start + 7])

    pool = [threading.Thread(target=member, args=(index,)) for index in range(threads)]
    for one in pool:
        one.start()
    for one in pool:
        one.join(20)
    assert taken.values == ROWS.tolist()
