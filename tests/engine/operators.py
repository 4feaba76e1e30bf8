"""Operators for the tests: what a worker process can import."""

import os
import time
from pathlib import Path

from adapt.errors import InputError


def square(number: int) -> int:
    time.sleep(0.002 * (number % 3))  # so that tasks end in another order than they began
    return number * number


def refuse(number: int) -> int:
    if number == 3:
        raise InputError("the third is bad", hint="leave it out")
    return number


def process_id(_: int) -> int:
    return os.getpid()


def die(number: int) -> int:
    if number == 1:
        os._exit(9)
    return number


def wait_noting_process(folder: Path, number: int) -> int:
    (folder / str(os.getpid())).touch()
    time.sleep(60)
    return number
