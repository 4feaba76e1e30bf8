import io
import tarfile
from pathlib import Path

import pytest

from adapt.corpus.sources.archives import close_all, list_members, open_member
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.sources.streams import Refused
from adapt.spec.corpus import Limits

NAMES = ["a.txt", "./b/c.txt", "中文/名.txt", "x" * 99, "d" * 80 + "/" + "e" * 90, "sp ace.txt", "last.txt"]


def packed(path: Path, form: int, mode: str, **more: object) -> dict[str, bytes]:
    """A tar with members of many names and sizes."""
    names = NAMES if form == tarfile.USTAR_FORMAT else [*NAMES, "long/" + "y" * 160]
    content = {name: name.encode() * (number * 37 % 90) for number, name in enumerate(names)}
    with tarfile.open(path, mode, format=form, **more) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            folder = tarfile.TarInfo(f"{name}.d")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
    return content


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz")])
def test_members_are_those_that_tarfile_finds(tmp_path: Path, form: int, name: str, mode: str) -> None:
    path = tmp_path / name
    content = packed(path, form, mode)
    found = {member.name: member.size for member in list_members(str(path), Limits())}
    with tarfile.open(path) as archive:
        assert found == {info.name: info.size for info in archive if info.isreg()}
    for member, data in content.items():
        with open_member(RawInput(name="a", source=0, reader="text", path=str(path), member=member), Limits()) as stream:
            assert stream.read() == data
    close_all()


def test_a_global_header_holds_for_members_behind_it(tmp_path: Path) -> None:
    content = packed(tmp_path / "a.tar", tarfile.PAX_FORMAT, "w", pax_headers={"comment": "of all"})
    assert [member.name for member in list_members(str(tmp_path / "a.tar"), Limits())] == list(content)
    close_all()


def test_a_damaged_header_ends_the_list(tmp_path: Path) -> None:
    packed(tmp_path / "a.tar", tarfile.USTAR_FORMAT, "w")
    data = bytearray((tmp_path / "a.tar").read_bytes())
    at = data.index(b"./b/c.txt")
    data[at + 3] ^= 1
    (tmp_path / "a.tar").write_bytes(data)
    seen = []
    with pytest.raises(Refused, match="damaged"):
        seen.extend(member.name for member in list_members(str(tmp_path / "a.tar"), Limits()))
    for member in ("sp ace.txt", "last.txt"):
        assert member not in seen
    close_all()
