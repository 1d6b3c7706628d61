"""Several observers hear the same of one training."""

import pytest

from gpuae.config import Config
from gpuae.training.history import EpochRecord, Observer, Together
from gpuae.training.interruption import Interrupted


class Remembers:
    """Remembers all that it is told, whatever that is called."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *told: self.told.append((name, *told))


class Looks(Remembers):
    def between_steps(self, so_far):
        self.told.append(so_far())


class Ends(Remembers):
    def between_steps(self, so_far):
        raise Interrupted


TOLD = {
    "note": ("a column is constant",),
    "device_chosen": ("cpu", "about 2 s, and 4 s on the GPU"),
    "chosen": (Config(), 4, 100, {"hidden": "a quarter of the columns"}),
    "folds_done": (3, 0.5),
    "stage_starts": ("layer 1 of 2",),
    "training_starts": (Config(), 4, 100),
    "rows_done": (1, 50),
    "epoch_done": (EpochRecord(1, 0.5, 0.6, 1e-3, 0.1),),
}


def test_each_observer_hears_all_that_one_alone_would():
    assert {*TOLD, "between_steps"} == {name for name in vars(Observer) if name[0] != "_"}
    observers = [Remembers(), Remembers()]
    for name, told in TOLD.items():
        getattr(Together(*observers), name)(*told)
    for observer in observers:
        assert observer.told == [(name, *told) for name, told in TOLD.items()]


def test_the_weights_are_copied_once_however_many_look_at_them():
    observers, copies = [Looks(), Looks()], []

    def so_far():
        copies.append(object())
        return copies[-1]

    together = Together(*observers)
    together.between_steps(so_far)
    together.between_steps(so_far)
    assert len(copies) == 2
    assert [observer.told for observer in observers] == [copies, copies]


def test_any_of_them_may_end_training():
    with pytest.raises(Interrupted):
        Together(Looks(), Ends()).between_steps(object)
