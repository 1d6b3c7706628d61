"""Which device a training has, where `auto` leaves that to the work there is."""

from __future__ import annotations

from gpuae.backends import Device, resolve_device
from gpuae.config import Config
from gpuae.model.network import Network
from gpuae.training.footprint import work_of
from gpuae.training.history import Observer


def choose_device(
    network: Network, config: Config, rows: int, row_bytes: float, observer: Observer
) -> Device:
    """Return the device to train a network on so many rows; tell of it where `auto` had a choice.

    Rounded factors are for GPUs alone, so `auto` takes the GPU with them.

    Raises
    ------
    DeviceError
        Where the device that was asked for is not there.
    """
    rounds = config.precision != "float32"
    work = None if rounds else work_of(network, config, rows, row_bytes)
    device = resolve_device(config.device, work)
    if config.device == "auto" and (device.is_gpu or device.passes_gpu_by):
        observer.device_chosen(device.name, device.reason)
    return device
