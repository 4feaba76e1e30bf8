import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from adapt.artifact.manifest import provenance_path, read_manifest, read_provenance, section_digest, verify
from adapt.artifact.staging import staged
from adapt.errors import InputError, WorkspaceError
from adapt.spec.resolved.stage import StageSection

SECTION = StageSection(code="0" * 64, libraries={"torch": "2"})


def build(out: Path, text: str = "content") -> None:
    with staged(out, section=SECTION, inputs={}, seed=7) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file.txt").write_text(text, encoding="utf-8")


def test_output_appears_complete_with_a_manifest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(out)
    assert set(verify(out).files) == {"sub/file.txt"}
    provenance = read_provenance(out)
    assert provenance.seed == 7
    assert provenance.section == section_digest(SECTION)
    assert [path.name for path in tmp_path.iterdir() if "staging" in path.name] == []


def test_failure_leaves_the_older_output_untouched(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(out, "older")
    with pytest.raises(FileNotFoundError), staged(out, section=SECTION, inputs={}) as folder:
        (folder / "half" / "no" / "such" / "folder").write_text("x", encoding="utf-8")
    assert (out / "sub" / "file.txt").read_text(encoding="utf-8") == "older"
    assert not list(tmp_path.glob(".out.staging*"))


def test_equal_builds_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build(tmp_path / name)
    assert (tmp_path / "a" / "manifest.json").read_bytes() == (tmp_path / "b" / "manifest.json").read_bytes()
    assert provenance_path(tmp_path / "a").read_bytes() == provenance_path(tmp_path / "b").read_bytes()


def test_what_it_was_made_from_stands_beside_the_folder_and_changes_nothing_in_it(tmp_path: Path) -> None:
    """Who depends on the folder is not run again for another section, library or input that gave the same files."""
    source = tmp_path / "source"
    source.write_text("1", encoding="utf-8")
    build(tmp_path / "a")
    other = StageSection(code="1" * 64, libraries={"torch": "3"})
    with staged(tmp_path / "b", section=other, inputs={"raw": source}, seed=8) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file.txt").write_text("content", encoding="utf-8")
    assert (tmp_path / "a" / "manifest.json").read_bytes() == (tmp_path / "b" / "manifest.json").read_bytes()
    assert read_provenance(tmp_path / "a").section != read_provenance(tmp_path / "b").section


def test_provenance_of_another_content_does_not_count(tmp_path: Path) -> None:
    """A build that was killed between the folder and its provenance leaves the older one."""
    out = tmp_path / "out"
    build(out, "older")
    older = provenance_path(out).read_bytes()
    build(out, "newer")
    provenance_path(out).write_bytes(older)
    with pytest.raises(InputError, match="is not of the files"):
        read_provenance(out)


def test_inputs_are_recorded_by_content(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "a").write_text("1", encoding="utf-8")
    digests = []
    for text in ("1", "2"):
        (source / "a").write_text(text, encoding="utf-8")
        with staged(out, section=SECTION, inputs={"raw": source}):
            pass
        digests.append(read_provenance(out).inputs["raw"])
    assert digests[0] != digests[1]


def test_missing_input_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"corpus: .*nowhere does not exist"),
        staged(tmp_path / "out", section=SECTION, inputs={"corpus": tmp_path / "nowhere"}),
    ):
        pass


def test_tampering_is_found(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(out)
    (out / "sub" / "file.txt").write_text("other", encoding="utf-8")
    (out / "extra").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"differs from its manifest: extra, sub/file\.txt"):
        verify(out)


@pytest.mark.parametrize("dependency", ["up", "up/sub/file.txt"])
def test_a_damaged_input_is_found_before_the_stage_begins(tmp_path: Path, dependency: str) -> None:
    build(tmp_path / "up")
    (tmp_path / "up" / "sub" / "file.txt").write_text("c0ntent", encoding="utf-8")
    path = tmp_path / dependency
    inside = path.parent if path.is_file() else path
    if path.is_file():  # what a stage depends on lies in the folder itself
        (inside / "manifest.json").write_bytes((tmp_path / "up" / "manifest.json").read_bytes().replace(b"sub/", b""))
    with (
        pytest.raises(InputError, match=r"differs from its manifest: (sub/)?file\.txt"),
        staged(tmp_path / "o", section=SECTION, inputs={"up": path}),
    ):
        raise AssertionError("it began")
    assert not (tmp_path / "o").exists()


def test_an_input_that_changes_meanwhile_leaves_the_older_output(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_text("1", encoding="utf-8")
    build(out, "older")

    def build_and_edit() -> None:
        with staged(out, section=SECTION, inputs={"raw": source}) as folder:
            (folder / "new").write_text("x", encoding="utf-8")
            source.write_text("2", encoding="utf-8")

    with pytest.raises(InputError, match="source was changed while the stage read it"):
        build_and_edit()
    assert (out / "sub" / "file.txt").read_text(encoding="utf-8") == "older"
    assert read_provenance(out).inputs == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out", "out.provenance.json", "source"]


def test_folder_without_manifest_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a finished output"):
        read_manifest(tmp_path)


def test_full_disk_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no space left on the disk"), staged(tmp_path / "out", section=SECTION, inputs={}):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not (tmp_path / "out").exists()


def test_two_builders_of_one_output_do_not_mix(tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = """
        import sys
        from pathlib import Path
        from adapt.artifact.staging import staged
        from adapt.spec.resolved.stage import StageSection
        with staged(Path(sys.argv[1]), section=StageSection(code="0" * 64, libraries={}), inputs={}) as folder:
            print("in", flush=True)
            sys.stdin.readline()
    """
    other = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(WorkspaceError, match="is being built by another process"):
            build(out)
    finally:
        other.communicate("\n", timeout=20)
    build(out, "second")
    assert (out / "sub" / "file.txt").read_text(encoding="utf-8") == "second"


def test_remains_of_a_killed_build_are_cleared(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / ".out.staging-999").mkdir()
    (tmp_path / ".out.replaced-999").mkdir()
    build(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out", "out.provenance.json"]


CHILD = "import os, time; from adapt.artifact.process import die_with_parent; die_with_parent(); print(os.getpid(), flush=True); time.sleep(60)"
BUILDS = {
    "itself": "import subprocess, sys; subprocess.run([sys.executable, '-c', CHILD])",
    "a shell": "import shlex, subprocess, sys; from adapt.artifact.process import become_builder; become_builder(); "
    "subprocess.run(['sh', '-c', shlex.join([sys.executable, '-c', CHILD]) + '; true'])",
}


@pytest.mark.parametrize("between", BUILDS)
def test_a_stage_dies_with_what_started_it(between: str) -> None:
    """A build that is killed, and so cannot clean up, takes the stages along that it started, with a shell between them or not."""
    process = subprocess.Popen([sys.executable, "-c", f"CHILD = {CHILD!r}; {BUILDS[between]}"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_every_error_of_a_manifest_says_what_to_do(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError) as caught:
        read_manifest(tmp_path)
    assert caught.value.hint == "build it with `adapt build`"
    build(out)
    (out / "sub" / "file.txt").unlink()
    with pytest.raises(InputError) as caught:
        verify(out)
    assert str(caught.value) == f"{out} differs from its manifest: sub/file.txt\nhint: build it with `adapt build`"
    (out / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json cannot be read: ") as caught:
        read_manifest(out)
    assert caught.value.hint == "build it with `adapt build`"
