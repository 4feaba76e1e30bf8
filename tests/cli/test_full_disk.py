"""A disk that is full while a command writes: /dev/full answers every write as such a disk does."""

from pathlib import Path

import pytest

from adapt.cli.main import main
from tests.workspace import tiny_workspace

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")


def test_resolve_names_the_file_and_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = tiny_workspace(tmp_path / "w", ("alpha",), exports=False)
    resolved = workspace / "build" / "resolved"
    resolved.mkdir(parents=True, exist_ok=True)
    (resolved / "alpha.yaml").unlink(missing_ok=True)
    (resolved / "alpha.yaml").symlink_to("/dev/full")
    monkeypatch.chdir(workspace)
    monkeypatch.setattr("adapt.cli.stage.die_with_parent", lambda: None)
    with pytest.raises(SystemExit) as stopped:
        main(["stage", "resolve"])
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert "alpha.yaml: No space left on device\nhint: free some space on that disk" in said
    assert "Traceback" not in said
