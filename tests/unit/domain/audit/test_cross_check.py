from __future__ import annotations

from tests.support.make_chain import KEY, START
from tradegraph_dagster.adapters.memory.audit_log import MemoryAuditLog
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.audit.cross_check import orders_without_entry


def chain(*acts: tuple[str, dict]) -> MemoryAuditLog:
    audit = MemoryAuditLog(market="cn", clock=FixedClock(START), key=KEY)
    for event, details in acts:
        audit.append(event, user="system", details=details)
    return audit


def test_orders_whose_sending_nobody_wrote_down_are_named() -> None:
    audit = chain(
        ("order_submitting", {"client_order_id": "tg1-a", "from": "intent"}),
        ("executions_recorded", {"fills": [{"client_order_id": "tg1-b"}]}),
        ("decision_recorded", {"orders": [{"client_order_id": "tg1-c"}]}),
        ("order_submitting", {"from": "intent", "client_order_id": "tg1-d"}),
    )
    assert orders_without_entry(audit.entries(), ["tg1-a"]) == ()
    names = ["tg1-d", "tg1-c", "tg1-b", "tg1-a", "tg1-a"]
    assert orders_without_entry(audit.entries(), names) == ("tg1-b", "tg1-c")


def test_no_orders_need_no_entry() -> None:
    assert orders_without_entry(chain().entries(), []) == ()
    assert orders_without_entry(chain().entries(), ["tg1-a"]) == ("tg1-a",)
