"""Dynamo's workers by both spellings of their ids, by what `/health` lists, and whether they serve whatever its status says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.backends.dynamo_workers import (
    InventoryError,
    alias,
    from_decimal,
    from_hex,
    inventory,
    role,
    serving,
    worker_id,
)
from collectors.model.signals import WorkerFacts
from collectors.model.vocabulary import Device, Role
from tests.backends.pages import FIXTURES


def fixture(name: str) -> object:
    found: object = json.loads((FIXTURES / "dynamo" / f"{name}.json").read_text())
    return found


def instance(**other: object) -> dict[str, object]:
    return {"component": "backend", "endpoint": "generate", "namespace": "n", "instance_id": 5} | other


def test_one_worker_in_two_spellings() -> None:
    assert from_hex("96f5dba70eb5c6fe") == from_decimal("10877841985536116478") == "10877841985536116478"
    assert from_hex("6821454962d5ae35") == "7503354635669057077"
    assert alias("10877841985536116478") == "96f5dba70eb5c6fe"
    assert worker_id("10877841985536116478", "3") == "10877841985536116478/3"


@given(st.integers(0, 2**64 - 1))
def test_no_id_loses_a_digit(number: int) -> None:
    assert from_decimal(str(number)) == str(number)
    assert from_hex(alias(str(number))) == str(number)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1_0", "١", str(2**64), "9" * 5_000])
def test_what_is_no_decimal_id(text: str) -> None:
    assert from_decimal(text) is None
    with pytest.raises(ValueError, match="not a Dynamo worker's id"):
        alias(text)


@pytest.mark.parametrize("text", ["", "g", "AB", "0x1", "-1", " a", "a_b", "f" * 17])
def test_what_is_no_hexadecimal_id(text: str) -> None:
    assert from_hex(text) is None


def test_the_inventory_of_a_frontend() -> None:
    assert inventory(fixture("frontend_health")) == (
        WorkerFacts("10877841985536116478/0", role=Role.DECODE, device=Device.GPU),
        WorkerFacts("14395883631591895480/0", role=Role.DECODE, device=Device.GPU),
        WorkerFacts("15683124922970301050/0", role=Role.PREFILL, device=Device.GPU),
        WorkerFacts("17325804865820210879/0", role=Role.PREFILL, device=Device.GPU),
    )


def test_workers_that_nobody_prefills_for_do_everything() -> None:
    assert [one.role for one in inventory({"instances": [instance()]})] == [Role.AGGREGATED]
    apart = [instance(), instance(component="prefill", namespace="other", instance_id=6)]
    assert [one.role for one in inventory({"instances": apart})] == [Role.AGGREGATED, Role.PREFILL]
    assert role("decode", ["decode", "prefill"]) is Role.DECODE
    assert role("aggregated", ["aggregated"]) is Role.AGGREGATED
    assert role("conductor", ["conductor", "prefill"]) is Role.UNKNOWN


def test_an_inventory_leaves_out_what_it_does_not_understand() -> None:
    rows = [
        instance(instance_id=7, device_type=None),
        instance(instance_id=8, device_type="abacus", surprise=[1]),
        instance(instance_id=7),
        instance(endpoint="clear_kv_blocks", instance_id=9),
        instance(instance_id="10"),
        instance(instance_id=11.0),
        instance(instance_id=True),
        instance(instance_id=-1),
        instance(instance_id=2**64),
        instance(component=5),
        {},
    ]
    found = inventory({"status": "healthy", "instances": rows})
    assert found == (WorkerFacts("7/0", role=Role.AGGREGATED), WorkerFacts("8/0", role=Role.AGGREGATED))


@pytest.mark.parametrize("body", [None, [], "healthy", 5, {"instances": {}}, {"instances": [1]}, {"endpoints": 5}])
def test_what_is_no_health(body: object) -> None:
    for read in (inventory, lambda body: serving(200, body)):
        with pytest.raises(InventoryError, match="not the /health of Dynamo"):
            read(body)


def test_a_worker_that_serves_is_up_whatever_its_status_says() -> None:
    health = fixture("worker_health")
    assert isinstance(health, dict)
    assert health["status"] == "notready"
    assert serving(503, health)
    assert serving(200, health)
    assert not serving(503, {"status": "notready", "endpoints": {"generate": "notready"}})
    assert not serving(200, {"status": "ready", "endpoints": {"generate": "notready"}})
    assert not serving(503, {"status": "notready", "endpoints": {}})
    assert serving(200, {"status": "healthy"})
    assert serving(200, fixture("frontend_health"))
    assert inventory({"status": "healthy"}) == ()
