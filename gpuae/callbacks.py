"""scikit-learn's callbacks, which it has from version 1.9 on: each epoch of a fit is a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from gpuae.config import Config
from gpuae.model.model import Model
from gpuae.training.history import EpochRecord, Silence, SoFar
from gpuae.training.interruption import Interrupted

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _torn_down
except ImportError:
    _torn_down = None

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Has no callbacks, which this version of scikit-learn does not know."""


__all__ = ["CallbackSupportMixin", "Tasks", "tasks_of", "with_callbacks"]

Method = TypeVar("Method", bound=Callable[..., Any])


def with_callbacks(method: Method) -> Method:
    """Let a method tear callbacks down however it ends, where there can be some."""
    return method if _torn_down is None else cast(Method, _torn_down(method))


class Tasks(Silence):
    """An observer that tells an estimator's callbacks of a fit and its epochs.

    A callback that returns true at the end of an epoch ends training there.

    Parameters
    ----------
    fitted
        Returns the attributes that make the estimator a fitted one of a model; None: there are none
        before the fit is complete.
    data
        What callbacks may ask for: `X`, `y`, `metadata`.

    Attributes
    ----------
    stopped
        Whether a callback has ended training.
    """

    def __init__(
        self,
        estimator: Any,
        fitted: Callable[[Model], Mapping[str, Any]] | None,
        **data: Any,
    ) -> None:
        self.stopped = False
        self._data: dict[str, Any] = {"estimator": estimator, **data}
        self._fitted = fitted
        self._fit = estimator._init_callback_context(max_subtasks=None)
        self._fit.call_on_fit_task_begin(**self._data)
        self._epoch: Any = None
        self._completed = False

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Hear how many epochs there will be at most, where they are counted once."""
        if not (config.trim or config.pretrains):
            self._fit.max_subtasks = config.epochs

    def rows_done(self, epoch: int, rows: int) -> None:
        """Begin the task of an epoch with its first rows."""
        if self._epoch is None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._data)

    def epoch_done(self, record: EpochRecord) -> None:
        """Hear that the task is completed, before there is a model to show."""
        self._completed = True

    def between_steps(self, so_far: SoFar) -> None:
        """End the task of an epoch that is completed.

        Raises
        ------
        Interrupted
            Where a callback wants to end training.
        """
        if not self._completed:
            return
        own, self._epoch, self._completed = self._epoch, None, False
        if own.call_on_fit_task_end(**self._data, **self._as_fitted(so_far)):
            self.stopped = True
            raise Interrupted

    def end(self, model: Model) -> None:
        """End the task of the fit."""
        self._fit.call_on_fit_task_end(**self._data, **self._as_fitted(lambda: model))

    def _as_fitted(self, model: SoFar) -> dict[str, Any]:
        fitted = self._fitted
        if fitted is None:
            return {}
        return {"reconstruction_attributes": lambda: fitted(model())}


class NoTasks(Silence):
    """An observer that has nobody to tell."""

    stopped = False

    def end(self, model: Model) -> None:
        """Tell nobody."""


def tasks_of(
    estimator: Any, fitted: Callable[[Model], Mapping[str, Any]] | None, **data: Any
) -> Tasks | NoTasks:
    """Return who tells the callbacks of an estimator, if it has any; see `Tasks`."""
    if not getattr(estimator, "_skl_callbacks", None):
        return NoTasks()
    return Tasks(estimator, fitted, **data)
