"""Where the server finds what may change while it runs, by two environment variables that start.sh sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LIVE, CONFIGURATION = "ADAPT_LIVE", "ADAPT_CONFIGURATION"


@dataclass(frozen=True)
class Places:
    """Folders of a running server."""

    live: Path
    """Adapters, aliases, keys: what `adapt deploy` changes."""
    configuration: Path
    """The folder of serve.yaml and server.json."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Places":
        """Raises KeyError when a variable is missing: the server must not start without them."""
        return cls(Path(environment[LIVE]).resolve(), Path(environment[CONFIGURATION]).resolve())

    @property
    def adapters(self) -> Path:
        """A folder for each version."""
        return self.live / "adapters"

    @property
    def trust(self) -> Path:
        """Public keys whose signatures count."""
        return self.live / "trust"

    @property
    def aliases(self) -> Path:
        """Stable names to versions."""
        return self.live / "aliases.json"

    @property
    def rollouts(self) -> Path:
        """Where each name's roll-out stands: the aliases follow from it."""
        return self.live / "rollouts.json"

    @property
    def slots(self) -> Path:
        """Slots and ranks that live versions need beyond what the configuration has."""
        return self.live / "slots.json"

    @property
    def access(self) -> Path:
        """Digests of API keys and of the administrator's token."""
        return self.live / "access.json"
