"""An HTTP library in which a name that we override has changed is refused at start."""

from __future__ import annotations

from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from core.errors import SetupError
from core.http import check_libraries as checked
from core.http.check_libraries import check_libraries


def test_the_installed_versions_have_every_name() -> None:
    check_libraries()


def test_a_method_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(HttpToolsProtocol, "send_400_response")
    with pytest.raises(SetupError, match=r"no HttpToolsProtocol.send_400_response;"):
        check_libraries()


def test_a_method_that_is_called_no_more_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main_loop(_: Any) -> None:
        """Ticks otherwise."""

    monkeypatch.setattr(uvicorn.Server, "main_loop", main_loop)
    monkeypatch.setattr(checked, "_USES", [(uvicorn.Server.main_loop, ["on_tick"])])
    with pytest.raises(SetupError, match="no on_tick in "):
        check_libraries()
