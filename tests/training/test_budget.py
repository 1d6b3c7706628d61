"""How much of the time work may take that something else waits for."""

from gpuae.training.budget import Budget


def test_work_may_take_its_share_of_the_time_and_what_it_has_saved_up():
    now = 0.0
    budget = Budget(0.01, 0.05, lambda: now)
    budget.spend(0.05)
    assert budget.free
    budget.spend(0.02)
    assert not budget.free
    now = 1.9
    assert not budget.free
    now = 2.1
    assert budget.free
    now = 1e9
    assert budget.free
    budget.spend(0.051)
    assert not budget.free
