"""What an administrator's client makes of a server's answers."""

import httpx
import pytest

from adapt.errors import WorkspaceError
from adapt.serving.client import Answer, Replica


def replica(monkeypatch: pytest.MonkeyPatch, status: int, **answer: object) -> Replica:
    """A server that answers everything alike."""
    transport = httpx.MockTransport(lambda request: httpx.Response(status, **answer))  # type: ignore[arg-type]
    plain = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **options: plain(transport=transport, base_url=options["base_url"]))
    return Replica("a", "http://server", "token")


def test_metrics_are_summed_by_name_version_and_status(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f'adapt_requests_total{{adapter="x",version="x@1",status="{status}"}} {count}' for status, count in ((200, 3), (500, 1))]
    found = replica(monkeypatch, 200, text="# TYPE adapt_requests counter\n" + "\n".join([*lines, "other 5", ""])).metrics()
    assert found == {("adapt_requests_total", "x@1", "200"): 3.0, ("adapt_requests_total", "x@1", "500"): 1.0}


@pytest.mark.parametrize("status", [401, 404, 500])
def test_metrics_that_are_not_shown_are_an_error_and_not_zero(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with pytest.raises(WorkspaceError, match=f"a: /metrics answered {status}: no"):
        replica(monkeypatch, status, text="no").metrics()


@pytest.mark.parametrize(("reason", "cut"), [("stop", False), ("length", True)])
def test_answer_says_whether_it_was_cut(monkeypatch: pytest.MonkeyPatch, reason: str, cut: bool) -> None:
    body = {"choices": [{"message": {"content": "yes"}, "finish_reason": reason}]}
    assert replica(monkeypatch, 200, json=body).ask("x", [], max_tokens=1) == Answer("yes", cut)
