"""Calendar quarters as blocks, so that what never forgets its start starts on the same date always.

A recursion such as an exponential average reads all that came before it. Here it begins anew for
every calendar quarter, a fixed number of sessions before the quarter's first: a row then depends on
a tail of known length, and on nothing but dates, wherever the grid happens to begin.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Block:
    """Rows whose values come from one run.

    Attributes:
        run_from: First row the run reads.
        first: First row whose values are kept.
        stop: Row after the last.
    """

    run_from: int
    first: int
    stop: int


def quarter_blocks(sessions: np.ndarray, warm_up: int, counts_from: int = 0) -> list[Block]:
    """Blocks of a grid's rows, in order.

    Quarters whose warm-up would begin before the grid begin with it, and are one block. A grid must
    therefore begin `warm_up` and a quarter's sessions before a row whose values are to be those of
    a longer grid.

    Args:
        sessions: datetime64[D], consecutive sessions.
        warm_up: Sessions run before a quarter's first.
        counts_from: First row whose values are wanted.
    """
    quarter = sessions.astype("datetime64[M]").astype(np.int64) // 3
    firsts = np.flatnonzero(np.diff(quarter, prepend=quarter[:1] - 1))
    blocks: list[Block] = []
    for first, stop in itertools.pairwise([*firsts.tolist(), len(sessions)]):
        run_from = max(first - warm_up, 0)
        if stop <= counts_from:
            continue
        if blocks and blocks[-1].run_from == run_from:
            blocks[-1] = Block(run_from, blocks[-1].first, stop)
        else:
            blocks.append(Block(run_from, max(first, counts_from), stop))
    return blocks
