from pathlib import Path

import pytest

from adapt.advice.machine import available_memory, device_for, parse_memory
from adapt.errors import InputError

GIB = 1 << 30


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "found"), [("24GiB", 24 * GIB), ("24G", 24 * GIB), ("80 GB", 80 * 10**9), ("512 MiB", 512 << 20), ("1.5T", 1536 * GIB)]
)
def test_sizes_are_read(text: str, found: int) -> None:
    assert parse_memory(text) == found


def test_what_is_no_size_is_refused() -> None:
    with pytest.raises(InputError, match="'24' is not an amount of memory\nhint: write it as 24GiB or 80GB"):
        parse_memory("24")


def test_the_least_of_machine_and_container_counts(tmp_path: Path) -> None:
    write(tmp_path / "proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable: 16777216 kB\n")
    assert available_memory(tmp_path) == 16 * GIB
    write(tmp_path / "sys/fs/cgroup/memory.max", f"{8 * GIB}\n")
    write(tmp_path / "sys/fs/cgroup/memory.current", f"{3 * GIB}\n")
    write(tmp_path / "sys/fs/cgroup/memory.stat", f"anon 5\ninactive_file {GIB}\n")
    assert available_memory(tmp_path) == 6 * GIB
    write(tmp_path / "sys/fs/cgroup/memory.max", "max\n")
    assert available_memory(tmp_path) == 16 * GIB


def test_a_container_of_the_first_version_counts(tmp_path: Path) -> None:
    write(tmp_path / "proc/meminfo", "MemAvailable: 16777216 kB\n")
    folder = tmp_path / "sys/fs/cgroup/memory"
    write(folder / "memory.limit_in_bytes", f"{4 * GIB}\n")
    write(folder / "memory.usage_in_bytes", f"{GIB}\n")
    write(folder / "memory.stat", "total_inactive_file 0\n")
    assert available_memory(tmp_path) == 3 * GIB
    write(folder / "memory.limit_in_bytes", "9223372036854771712\n")
    assert available_memory(tmp_path) == 16 * GIB


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "proc/meminfo", "MemAvailable: 1024 kB\n")
    with pytest.raises(InputError, match=r"train\.device is cuda, and this machine has no GPU"):
        device_for("cuda", root=tmp_path)
    assert device_for("auto", root=tmp_path).kind == "cpu"
