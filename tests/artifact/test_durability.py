"""What a power cut may leave of an output: the old one or the new one, never a part."""

import os
import sys
from pathlib import Path

import pytest

from adapt.artifact.manifest import verify
from adapt.artifact.staging import staged
from adapt.spec.resolved.stage import StageSection

SECTION = StageSection(code="0" * 64, libraries={})


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/fd")
def test_everything_is_on_the_disk_before_the_output_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    synced: list[str] = []
    sync, rename = os.fsync, Path.rename

    def record_sync(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        sync(handle)

    def record_rename(path: Path, target: Path) -> Path:
        synced.append(f"{'new' if target == out else 'old'} name")
        return rename(path, target)

    def build() -> list[str]:
        synced.clear()
        with staged(out, section=SECTION, inputs={}) as folder:
            (folder / "deep" / "er").mkdir(parents=True)
            for name in ("a", "deep/b", "deep/er/c", "zz"):
                (folder / name).write_text(name)
            staging = str(folder)
        return [path.replace(staging, "new") for path in synced]

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "rename", record_rename)
    for before in ([], ["old name"]):
        events = build()
        named = events.index("new name")
        assert set(events[:named]) >= {f"new{part}" for part in ("", "/a", "/deep", "/deep/b", "/deep/er", "/deep/er/c", "/zz", "/manifest.json")}
        files = [event for event in events[:named] if event.removeprefix("new/") in {"a", "deep/b", "deep/er/c", "zz", "manifest.json"}]
        assert files[-1] == "new/manifest.json", "its presence says that all else is there"
        assert [event for event in events[:named] if event == "old name"] == before
        assert str(tmp_path) in events[named:], "the name itself"
    assert verify(out).files.keys() == {"a", "deep/b", "deep/er/c", "zz"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out", "out.provenance.json"]


def test_an_error_while_the_output_is_put_in_place_leaves_no_staging_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"

    def crash(path: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(KeyboardInterrupt), staged(out, section=SECTION, inputs={}) as folder:
        (folder / "a").write_text("a")
    assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]
