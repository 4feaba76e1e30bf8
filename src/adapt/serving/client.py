"""A running server as an administrator sees it: asks models, reads its metrics, loads and drops versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from prometheus_client.parser import text_string_to_metric_families

from adapt.errors import WorkspaceError

_SECONDS = 120.0


@dataclass(frozen=True)
class Answer:
    """What a model said."""

    text: str
    cut: bool
    """Whether it would have gone on: the number of tokens ended it."""


class Replica:
    """One server."""

    def __init__(self, name: str, url: str, token: str) -> None:
        self.name, self.url = name, url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=_SECONDS, trust_env=False)

    def is_ready(self) -> bool:
        """Whether the server answers and is healthy."""
        try:
            return self._http.get("/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def state(self, *, check: Sequence[str] = ()) -> dict[str, Any]:
        """What the server says of itself, and of the versions `check`, which need not be live: what speaks
        against each.

        Raises WorkspaceError when it does not answer or the token is not its administrator's.
        """
        query = urlencode([("check", version) for version in check])
        value: dict[str, Any] = self._send("GET", f"/adapt/state?{query}" if query else "/adapt/state")
        return value

    def models(self) -> list[dict[str, Any]]:
        """Every model that vLLM has loaded, as vLLM names it."""
        value: list[dict[str, Any]] = self._send("GET", "/v1/models")["data"]
        return value

    def ask(self, model: str, messages: Sequence[Mapping[str, str]], *, max_tokens: int) -> Answer:
        """The greedy answer of `model`. Raises WorkspaceError when there is none."""
        body = {"model": model, "messages": list(messages), "temperature": 0, "max_tokens": max_tokens}
        answer = self._send("POST", "/v1/chat/completions", body)
        choice = answer["choices"][0]
        return Answer(str(choice["message"]["content"] or ""), cut=choice.get("finish_reason") == "length")

    def unload(self, version: str) -> None:
        """Have the server forget a version; one that it has not loaded is no error."""
        self._request("POST", "/v1/unload_lora_adapter", {"lora_name": version})

    def metrics(self) -> dict[tuple[str, str, str], float]:
        """Samples of our metrics by name, version and their further label: status, cause or bucket; empty
        where there is none.

        Raises WorkspaceError when the server does not show them.
        """
        response = self._answered("GET", "/metrics")
        samples: dict[tuple[str, str, str], float] = {}
        for family in text_string_to_metric_families(response.text):
            for sample in family.samples:
                if sample.name.startswith("adapt_"):
                    labels = sample.labels
                    further = labels.get("status") or labels.get("cause") or labels.get("le") or ""
                    key = (sample.name, labels.get("version", ""), further)
                    samples[key] = samples.get(key, 0.0) + sample.value
        return samples

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        return self._answered(method, path, body).json()

    def _answered(self, method: str, path: str, body: Any = None) -> httpx.Response:
        response = self._request(method, path, body)
        if response.status_code != 200:
            hint = "run `adapt serve --prepare` and start the server again" if response.status_code in (401, 404) else "look into the server's log"
            raise WorkspaceError(f"{self.name}: {path} answered {response.status_code}: {_message(response)}", hint=hint)
        return response

    def _request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise WorkspaceError(
                f"{self.name}: no server answers at {self.url} ({type(error).__name__})",
                hint="start it with `adapt serve`, or check rollout.replicas",
            ) from None


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
