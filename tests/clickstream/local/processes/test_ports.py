"""Free ports, remembered ones first."""

from __future__ import annotations

import socket

from clickstream.local.processes.ports import choose_ports, free_port, is_free


def test_free_port_can_be_listened_on() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
    assert is_free(port)


def test_free_port_is_none_of_those_to_avoid() -> None:
    few = set(range(25_000, 25_100))
    assert free_port(avoid=set(range(1024, 65_536)) - few) in few


def test_remembered_port_is_used_again() -> None:
    port = free_port()
    assert choose_ports(["kafka"], {"kafka": port}) == {"kafka": port}


def test_remembered_port_that_is_taken_is_replaced() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert choose_ports(["kafka"], {"kafka": port})["kafka"] != port


def test_no_two_names_share_a_port() -> None:
    port = free_port()
    chosen = choose_ports(["a", "b", "c"], {"a": port, "b": port})
    assert len(set(chosen.values())) == 3


def test_new_name_does_not_take_what_another_remembers() -> None:
    remembered = {"a": free_port()}
    assert choose_ports(["b"], remembered)["b"] != remembered["a"]
