"""A contender for the tests, in the ways that one can turn out."""

import os

from gpuae.errors import GpuaeError


def prepare(job):
    if job.mode == "refuses":
        raise GpuaeError("the machine is too small; get another")

    def run(count):
        if job.mode == "dies":
            os._exit(3)
        print("what a library prints is no answer")
        return 0.01, [{"well": 2.0, "wrongly": 3.0}[job.mode]] * count

    return run
