"""Names of the entries that something looks for: who writes one and who reads it share the name."""

from __future__ import annotations

CHECKPOINT = "checkpoint"
DECISION_RECORDED = "decision_recorded"
ORDER_SUBMITTING = "order_submitting"
EXECUTIONS_RECORDED = "executions_recorded"
