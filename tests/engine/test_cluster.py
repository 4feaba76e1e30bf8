import os
import sys

import pytest

from adapt.engine.engine import open_engine
from adapt.errors import InputError
from adapt.spec.engine import RayEngine
from tests.cluster import two_nodes
from tests.engine.operators import process_id, refuse, square


def test_without_ray_the_engine_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="Ray is not installed") as caught, open_engine(RayEngine(kind="ray")):
        pass
    assert caught.value.hint == "pip install 'adapt-build[ray]'"


@pytest.mark.slow
def test_two_nodes_give_results_in_order_and_raise_what_operators_raise() -> None:
    with two_nodes() as address, open_engine(RayEngine(kind="ray", address=address)) as engine:
        assert list(engine.map(square, range(40))) == [number * number for number in range(40)]
        assert engine.workers == 2
        assert os.getpid() not in set(engine.map(process_id, range(8)))
        with pytest.raises(InputError, match="the third is bad") as caught:
            list(engine.map(refuse, range(9)))
        assert caught.value.hint == "leave it out"


@pytest.mark.slow
def test_no_cluster_is_a_clear_error() -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    with (
        pytest.raises(InputError, match=r"no Ray cluster answers at '127\.0\.0\.1:1'") as caught,
        open_engine(RayEngine(kind="ray", address="127.0.0.1:1")),
    ):
        pass
    assert "ray start --head" in str(caught.value.hint)
