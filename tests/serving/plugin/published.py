"""A live folder with signed adapters, made from the tests' scene, and versions that somebody tampered with."""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapt.serving.deploy import Release
from adapt.serving.journal import Attempt, NameState
from adapt.serving.keys import Keys
from adapt.serving.live import Live
from adapt.serving.plugin.facts import Server
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.store import Store
from adapt.serving.sign import sign
from adapt.serving.start import prepare
from tests.serving.adapters import Scene, base_folder, write_safetensors


@dataclass
class Published:
    """What `adapt serve --prepare` leaves."""

    scene: Scene
    live: Live
    keys: Keys
    versions: dict[str, str]

    @property
    def adapters(self) -> Path:
        return self.live.places.adapters

    def store(self, *, journaled: bool = False) -> Store:
        """As the server makes it; unless `journaled`, it also takes versions that no roll-out leads to, as tests make them."""
        places = self.live.places
        server = Server.read(places.configuration, slots=places.slots)
        return Store(places.adapters, places.trust, server, rollouts=places.rollouts if journaled else None)

    def reason(self, name: str) -> str | None:
        """Why the server would not load a version."""
        try:
            self.store().check(name)
        except RefusedError as refusal:
            return str(refusal)
        return None

    def rebuilt(self, *, tensors: Any = None, config: Any = None, resign: bool = True, **about: Any) -> str:
        """Another version of finance under the name of its content: what an insider who holds the key could sign."""
        aside = self.adapters.parent / "rebuilt"
        shutil.copytree(self.adapters / self.versions["finance"], aside)
        (aside / "model.sig").unlink()
        if tensors is not None:
            write_safetensors(aside / "adapter_model.safetensors", tensors)
        if config is not None:
            (aside / "adapter_config.json").write_text(json.dumps(config))
        manifest = json.loads((aside / "manifest.json").read_bytes())
        manifest["files"] |= {file: _sha256(aside / file) for file in ("adapter_model.safetensors", "adapter_config.json")}
        (aside / "manifest.json").write_text(json.dumps(manifest))
        digest = _sha256(aside / "manifest.json")
        facts = json.loads((aside / "adapter.json").read_bytes()) | {"digest": digest} | about
        (aside / "adapter.json").write_text(json.dumps(facts))
        folder = self.adapters / f"finance@{digest[:12]}"
        aside.rename(folder)
        if resign:
            self.sign(folder)
        return folder.name

    def lead(self, name: str, shares: dict[str, float]) -> None:
        lead(self.live, name, shares)

    def sign(self, folder: Path) -> None:
        """Sign what the folder holds now."""
        (folder / "model.sig").unlink(missing_ok=True)
        sign(folder, folder.with_name("sig"), key=self.keys.signing)
        folder.with_name("sig").rename(folder / "model.sig")


def lead(live: Live, name: str, shares: dict[str, float]) -> None:
    """Lead a name to one version that is good, or to a good one and one that is being rolled out."""
    good, *others = shares

    def step(state: NameState) -> NameState:
        attempt = Attempt(others[0], "test", shares[others[0]]) if others else None
        return replace(NameState(earlier=state.earlier, good=state.good).start(good), attempt=attempt)

    live.journal.change(name, step, action="test")


def publish(root: Path, *names: str) -> Published:
    """Render, sign and publish adapters of these names."""
    scene = Scene(root)
    base = base_folder(root / "base")
    (base / "tokenizer.json").write_text("{}")
    for name in names:
        scene.add(name)
    report = scene.render(base_folder=base)
    live, keys = Live(root / "live", scene.out), Keys(root / "keys")
    prepare(live, keys, [Release(offer.name, scene.out / offer.path, ()) for offer in report.served], say=lambda _: None)
    return Published(scene, live, keys, {offer.name: offer.served_name for offer in report.served})


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
