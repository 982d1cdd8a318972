"""Where Numba compiles nothing, the kernels run as they are written and give the same bits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from tests.support.alpha158_oracle import golden_fields, random_fields
from tests.support.bar_grids import features_of
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.settings import PROJECT_ROOT

PROGRAM = """
import sys
from tests.integration.test_plain_kernels import features
from tradegraph_dagster.domain.features import kernels
assert not hasattr(kernels.line, "py_func"), "compiled after all"
sys.stdout.buffer.write(features())
"""


def features() -> bytes:
    """Alpha158 of the golden instrument and of one with suspensions and ties."""
    alpha158 = load_feature_set("alpha158")
    blocks = [features_of(alpha158, fields) for fields in (golden_fields(), random_fields(5))]
    return np.concatenate(blocks).tobytes()


def test_plain_python_gives_the_same_bits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"NUMBA_DISABLE_JIT": "1"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == features()
