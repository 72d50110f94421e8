"""The node exporter: the memory of a host, which is no tier's occupancy."""

from collectors.model.signals import Kind, Signal
from tests.backends.pages import FIXTURES, read

TOTAL, AVAILABLE = "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes"


def test_the_captured_page() -> None:
    known = read((FIXTURES / "node" / "meminfo-uname.prom").read_text(), "10.0.0.3:9100")
    assert known.backend == "node"
    assert known.mapping.workers == ()
    assert known.values == {
        ("", Signal.HOST_MEMORY_TOTAL, Kind.GAUGE, None, "vm"): [25_276_063_744],
        ("", Signal.HOST_MEMORY_AVAILABLE, Kind.GAUGE, None, "vm"): [24_785_399_808],
    }


def test_a_host_without_a_name_is_called_by_its_address() -> None:
    assert read(f"{TOTAL} 5\n", "10.0.0.3:9100").values == {
        ("", Signal.HOST_MEMORY_TOTAL, Kind.GAUGE, None, "10.0.0.3"): [5]
    }
    two = 'node_uname_info{nodename="a"} 1\nnode_uname_info{nodename="b"} 1\n'
    assert {owner for *_, owner in read(f"{two}{TOTAL} 5\n", "h:1").values} == {"h"}


def test_an_exporter_without_memory_is_known_and_says_nothing() -> None:
    known = read('node_uname_info{nodename="a"} 1\n')
    assert (known.backend, known.values) == ("node", {})


def test_a_wrong_type_is_left_out() -> None:
    assert read(f"# TYPE {TOTAL} histogram\n{TOTAL} 5\n{AVAILABLE} 4\n").total("host_memory_total_bytes") == 0
