"""The door of the server, as a pure ASGI middleware: `--middleware adapt_serving.gate.Gate`.

Enters: any request. Leaves: the same request with the version's name in place of the stable one, or an answer in OpenAI's error shape before
the server has seen anything. Only the routes of `PUBLIC` are open; all others, those that load and unload adapters among them, are the
administrator's. Nothing that a client sends is kept, so a thousand unknown names leave nothing behind.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from .access import Access
from .aliases import Aliases
from .answers import Renamer
from .counts import REFUSED, Visit
from .exchange import (
    App,
    Message,
    Receive,
    Scope,
    Send,
    Sender,
    TurnedAwayError,
    ask_for_usage,
    check_choices,
    dump,
    error_body,
    limited,
    parse,
    read_body,
    replay,
    send_json,
    user_of,
    with_length,
)
from .facts import Server
from .faults import Faults
from .listing import models_listing, package_digest, state
from .places import Places
from .store import Store, forget

ASKING = frozenset({"/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"})
"""Routes whose body names a model."""
PUBLIC = ASKING | {"/v1/models", "/metrics", "/health", "/ping", "/version"}
OPEN = frozenset({"/health", "/ping"})
"""Routes that need no key: what a supervisor asks."""
UNLOAD = "/v1/unload_lora_adapter"
STATE = "/adapt/state"
"""The administrator's view: what is live and what the server was started with."""


class Gate:
    """The middleware. vLLM makes one for the application that it guards."""

    def __init__(self, app: App, environment: Mapping[str, str] = os.environ) -> None:
        places = Places.from_environment(environment)
        self._app = app
        self._server = Server.read(places.configuration, slots=places.slots)
        self._started: dict[str, Any] = {"template": self._server.live_template, "code": package_digest(Path(__file__).parent)}
        self._aliases, self._access = Aliases(places.aliases, places.rollouts), Access(places.access)
        self._faults = Faults(app, places.rollouts, self._server.base_name)
        self._store = Store(places.adapters, places.trust, self._server, rollouts=places.rollouts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                await self._answer(scope, receive, send)
            except TurnedAwayError as turned:
                REFUSED.labels(turned.reason).inc()
                await send_json(send, turned.status, error_body(turned))
        elif scope["type"] == "websocket":  # nothing that is served needs one
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, headers = scope["path"].removeprefix(scope.get("root_path", "")), scope["headers"]
        if scope["method"] == "OPTIONS" and path in PUBLIC:  # a browser asks so before it sends a key
            await self._app(scope, receive, send)
            return
        if path not in OPEN and not self._access.may_ask(headers):
            raise TurnedAwayError(401, "key", "a valid API key is needed: Authorization: Bearer KEY", kind="authentication_error")
        admin = self._access.may_administrate(headers)
        if path == STATE and admin:
            asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("check", [])
            view = await state(self._server, self._aliases, self._store, asked, **self._started)
            await send_json(send, 200, view)
        elif path not in PUBLIC and not admin:
            raise TurnedAwayError(404, "route", "this route does not exist, or is the administrator's", kind="not_found_error")
        elif path == "/v1/models" and not admin:
            await send_json(send, 200, models_listing(self._server, self._aliases))
        elif path == UNLOAD:
            await self._unload(scope, receive, send)
        elif path in ASKING:
            await self._pass_on(scope, receive, send, admin=admin)
        else:
            await self._app(scope, limited(receive, self._server.max_body_bytes), send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, *, admin: bool) -> None:
        """Send a request on to the version that its name leads to, and its answer back under the name that was asked for."""
        body = parse(await read_body(scope, receive, self._server.max_body_bytes))
        check_choices(body, self._server.max_choices)
        name = self._server.base_name if body.get("model") is None else body["model"]
        version = self._version(name, user_of(body, scope["headers"]), admin=admin)
        body["model"] = version
        hide_usage = ask_for_usage(body)
        visit = Visit(_adapter_of(version, self._server.base_name), version)
        renamer = Renamer(version, name, hide_usage=hide_usage, spends=visit.spends)
        sender = Sender(send, visit, renamer)
        broke = False
        try:
            await self._app(with_length(scope, content := dump(body)), replay(content, receive), sender)
        except Exception:
            broke = True
            raise
        finally:
            renamer.settle()
            status = 500 if broke else sender.outcome
            visit.finish(status)
            if (status >= 500 or status == 404) and version != self._server.base_name:
                await self._faults.count(scope, body, adapter=visit.adapter, version=version)

    async def _unload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the server drop a version, and remove the copy that it was loaded from once the server has done so."""
        content = await read_body(scope, receive, self._server.max_body_bytes)
        statuses: list[int] = []

        async def noted(message: Message) -> None:
            statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])
            await send(message)

        await self._app(with_length(scope, content), replay(content, receive), noted)
        if statuses == [200]:
            forget(str(parse(content).get("lora_name")))

    def _version(self, name: Any, user: str | None, *, admin: bool) -> str:
        """What answers under `name`: the base, a version by its stable name, or a version itself: a live one, or any for the administrator."""
        if name == self._server.base_name:
            return str(name)
        if isinstance(name, str):
            if (version := self._aliases.choose(name, user)) is not None:
                return version
            if name in self._aliases.versions() or (admin and self._store.has(name)):
                return name
        known = ", ".join([self._server.base_name, *sorted(self._aliases.shares())])
        raise TurnedAwayError(404, "model", f"the model does not exist; there are: {known}", kind="not_found_error", param="model")


def _adapter_of(version: str, base: str) -> str:
    return base if version == base else version.partition("@")[0]
