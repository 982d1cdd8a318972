"""Walk-forward splits, purged so that no label reaches into a later block."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from tradegraph_dagster.domain.core.errors import TrainingRefused
from tradegraph_dagster.domain.datasets.schema import Split, SplitPlan


def window_to_split(sessions: Sequence[date], plan: SplitPlan) -> Split:
    """Cut labelled sessions into train, valid and test, counted back from the end.

    Between two blocks `plan.purge_sessions` are dropped, so that the last label before a block ends
    with the close before the block's first session.

    Args:
        sessions: Every labelled session of the window, ascending. A session missing among them
            makes a purge longer, never shorter.
        plan: Lengths of the blocks.

    Raises:
        TrainingRefused: Fewer than `plan.min_train_sessions` are left to learn from, or the
            sessions are not ascending.
    """
    ordered = tuple(sessions)
    if any(later <= earlier for earlier, later in pairwise(ordered)):
        raise TrainingRefused(
            "expected ascending sessions without repeats, found others; a split of them would leak"
        )
    test_at = len(ordered) - plan.test_sessions
    valid_end = test_at - plan.purge_sessions
    valid_at = valid_end - plan.valid_sessions
    train_end = valid_at - plan.purge_sessions
    if train_end < plan.min_train_sessions:
        raise TrainingRefused(
            f"expected at least {plan.min_train_sessions} sessions to learn from, found "
            f"{max(train_end, 0)}: {len(ordered)} labelled sessions less {plan.test_sessions} "
            f"test, {plan.valid_sessions} valid and two purges of {plan.purge_sessions}; "
            "label more history or shorten the blocks",
            session=ordered[-1] if ordered else None,
        )
    return Split(
        train=ordered[max(0, train_end - plan.train_sessions) : train_end],
        valid=ordered[valid_at:valid_end],
        test=ordered[test_at:],
    )
