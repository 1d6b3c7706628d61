"""Runs made beside one another, which all stop when one asks them to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from gpuae.backends import Device, get_ops
from gpuae.config import Config
from gpuae.sweeps.results import Result
from gpuae.sweeps.runs import Run
from gpuae.training.history import EpochRecord, Silence, SoFar
from gpuae.training.interruption import Interrupted, Interruption

HOST = Device("numpy", "the host's own products have one thread while runs are beside one another")
LOOK_SECONDS = 0.2
"""How long Ctrl-C may go unheard."""

Work = Callable[[Run, "Watcher"], Result | None]
"""Makes a run; None where it was stopped before it was done."""


class Watcher(Silence):
    """Follows one run, and ends it when all are to stop.

    Attributes
    ----------
    epoch, epochs
        How far training is.
    under_way
        Whether the run has begun and not ended.
    """

    def __init__(
        self, stop: threading.Event, over: Callable[[], bool], note: Callable[[str], None]
    ) -> None:
        self._stop, self._over, self._note = stop, over, note
        self.epoch = self.epochs = 0
        self.under_way = False

    @property
    def stopped(self) -> bool:
        """Whether there is nothing more to begin."""
        return self._stop.is_set() or self._over()

    def note(self, message: str) -> None:
        """Pass it on."""
        self._note(message)

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Hear of the epochs."""
        self.epoch, self.epochs = 0, config.resolved("epochs")

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Hear how far the search for the best number of epochs is."""
        self.epoch = epoch

    def epoch_done(self, record: EpochRecord) -> None:
        """Hear how far training is."""
        self.epoch = record.epoch

    def between_steps(self, so_far: SoFar) -> None:
        """End training here if all are to stop."""
        if self.stopped:
            raise Interrupted


class Crew:
    """Makes runs, so many at once; iterates over results as they come.

    Threads of one process share the rows, and a step holds no lock of the interpreter. Products of
    the host have one thread meanwhile: a run that ended would else give threads back to all others,
    amid their sums.

    Parameters
    ----------
    over
        Tells whether the time is over.
    note
        Is told what the data of a run give reason to remark.
    look
        Is told, a few times a second, of the runs that are under way.
    """

    def __init__(
        self,
        work: Work,
        at_once: int,
        *,
        over: Callable[[], bool],
        note: Callable[[str], None],
        look: Callable[[Sequence[Watcher]], None],
    ) -> None:
        self._work, self._at_once = work, at_once
        self._over, self._note, self._look = over, note, look
        self._stop = threading.Event()
        self.interrupted = False

    def results(self, runs: Sequence[Run]) -> Iterator[Result]:
        """Yield the result of each run that came to one."""
        watchers = [Watcher(self._stop, self._over, self._note) for _ in runs]
        with (
            get_ops(HOST).session(),
            ThreadPoolExecutor(self._at_once, thread_name_prefix="gpuae-run") as pool,
            Interruption() as interruption,
        ):
            futures = [
                pool.submit(self._make, run, own) for run, own in zip(runs, watchers, strict=True)
            ]
            try:
                for future in self._ended(set(futures), interruption, watchers):
                    result = future.result()
                    if result is not None:
                        yield result
            finally:
                self._stop.set()
                for future in futures:
                    future.cancel()

    def _make(self, run: Run, watcher: Watcher) -> Result | None:
        watcher.under_way = True
        try:
            return self._work(run, watcher)
        finally:
            watcher.under_way = False

    def _ended(
        self,
        waiting: set[Future[Result | None]],
        interruption: Interruption,
        watchers: Sequence[Watcher],
    ) -> Iterator[Future[Result | None]]:
        """Yield runs as they end; those that have not begun when all are to stop never do."""
        while waiting:
            try:
                done, waiting = wait(waiting, LOOK_SECONDS, FIRST_COMPLETED)
            except KeyboardInterrupt:  # the second one: what is under way is about to stop
                continue
            yield from (future for future in done if not future.cancelled())
            self._look([own for own in watchers if own.under_way])
            self.interrupted = self.interrupted or interruption.asked
            if interruption.asked or self._over():
                self._stop.set()
                waiting = {future for future in waiting if not future.cancel()}
