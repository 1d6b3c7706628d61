"""Everything that can go wrong in a way a person can do something about.

Each kind of error owns the exit code of the command that meets it. An exception that is not
a `GpuaeError` is a defect of gpuae itself and is never presented as the user's mistake.
"""

from __future__ import annotations


class GpuaeError(Exception):
    """Base of all errors raised on purpose: one sentence of what, where and what to do."""

    exit_code = 1


class ConfigError(GpuaeError, ValueError):
    """A setting is unknown, out of range, or makes no sense together with another one."""

    exit_code = 2


class InputError(GpuaeError, ValueError):
    """A file or an array that was given cannot be used; the message names it."""

    exit_code = 2


class OutputError(GpuaeError):
    """A result cannot be written where it was asked for."""

    exit_code = 2


class DeviceError(GpuaeError):
    """The device that was asked for is not there."""

    exit_code = 2


class DivergedError(GpuaeError):
    """The loss stopped being a finite number."""


class GpuaeWarning(UserWarning):
    """Something about the data, the settings or the result that a person should know."""
