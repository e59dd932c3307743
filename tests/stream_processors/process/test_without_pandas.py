"""A worker does not load pandas, though it is installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CODE = """
import sys
from stream_processors.process.without_pandas import keep_pandas_out
{call}
import pyarrow
pyarrow.array([b"key"])
sys.exit("pandas" in sys.modules)
"""


@pytest.mark.parametrize(("call", "loads"), [("keep_pandas_out()", False), ("", True)])
def test_arrow_looks_for_pandas_and_does_not_find_it(call: str, loads: bool) -> None:
    code = _CODE.format(call=call)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == loads
