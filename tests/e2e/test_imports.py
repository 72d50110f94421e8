"""Which command loads what: headless ones never the dashboard, and none anything heavy before it is needed."""

import subprocess
import sys

import pytest

from tests.e2e.commands import ROOT


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "module", ["tui.headless", "tui.summary", "tui.doctor", "tui.tapping", "collectors.observe", "emulators.server"]
)
def test_headless_modules_never_load_the_dashboard(module: str) -> None:
    assert not loaded_after(f"import {module}") & {"textual", "rich"}


def test_the_command_line_itself_loads_nothing_heavy() -> None:
    assert not loaded_after("import tui.cli") & {
        "textual",
        "rich",
        "numpy",
        "aiohttp",
        "msgspec",
        "emulators",
        "collectors",
    }


def test_what_to_watch_is_settled_without_anything_heavy() -> None:
    code = (
        "from tui.config.load import load\nfrom tui.config.resolve import resolve\nresolve(load({'targets': ['h:1']}))"
    )
    assert not loaded_after(code) & {"textual", "rich", "numpy", "aiohttp", "yaml", "emulators"}


def test_the_dashboard_shell_loads_no_network_and_no_numbers() -> None:
    assert not loaded_after("import tui.app") & {"aiohttp", "prometheus_client", "emulators"}


@pytest.mark.parametrize(
    ("package", "other"), [("collectors.observe", "emulators"), ("emulators.server", "collectors")]
)
def test_the_packages_meet_only_on_the_wire(package: str, other: str) -> None:
    assert not loaded_after(f"import {package}") & {other, "tui"}
