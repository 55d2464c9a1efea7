"""What an operator gets wrong is told in words, with the option or the variable to set, and without a traceback."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from tests.adversity.compute.test_unexpected import configuration

NOWHERE = "127.0.0.1:1"
"""A port that nobody listens on."""


def run(folder: Path, *words: str, environment: Mapping[str, str] | None = None) -> Result:
    place = ("--data", str(folder), "--listen", "127.0.0.1:0") if words[0] == "serve" else ()
    told = CliRunner().invoke(main, [*words, *place], env=environment)
    assert told.exit_code in (1, 2), told.output
    assert isinstance(told.exception, SystemExit), told.exception
    return told


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--memory", "0"),
        ("--memory", "1"),
        ("--min-machines", "-1"),
        ("--max-machines", "0"),
        ("--max-spark-machines", "-1"),
        ("--spill", "0"),
    ],
)
def test_numbers_have_ranges(tmp_path: Path, option: str, value: str) -> None:
    assert f"Invalid value for '{option}'" in run(tmp_path, "serve", f"{option}={value}").output


@pytest.mark.parametrize("command", [("serve",), ("bench", "starts")])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LAKEGATE_KUBERNETES_CPU_SHARE", "abc"),
        ("LAKEGATE_KUBERNETES_CPU_SHARE", "2"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, command: tuple[str, ...], variable: str, value: str) -> None:
    environment = {"LAKEGATE_KUBERNETES_GATEWAY": "gateway", variable: value}
    assert variable in run(tmp_path, *command, "--spawner", "kubernetes", environment=environment).output


def test_a_wrong_name_of_the_gateway_is_told(tmp_path: Path) -> None:
    """Benchmarks have one of their own."""
    environment = {"LAKEGATE_KUBERNETES_GATEWAY": "ip-10-0-0-1.ec2.internal"}
    told = run(tmp_path, "serve", "--spawner", "kubernetes", environment=environment).output
    assert "LAKEGATE_KUBERNETES_GATEWAY" in told


def test_an_api_server_that_is_away(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(configuration(f"http://{NOWHERE}")))
    environment = {"LAKEGATE_KUBERNETES_GATEWAY": "gateway", "KUBECONFIG": str(kubeconfig)}
    told = run(tmp_path, "bench", "starts", "--spawner", "kubernetes", environment=environment).output
    assert f"the API server of KUBECONFIG or of this pod, http://{NOWHERE}, does not answer" in told
    assert "ConnectionKey" not in told


def test_a_metastore_that_is_away(tmp_path: Path) -> None:
    environment = {"LAKEGATE_METASTORE_DSN": f"postgresql://nobody@{NOWHERE}/lakegate"}
    told = run(tmp_path, "serve", "--isolation", "none", environment=environment).output
    assert "LAKEGATE_METASTORE_DSN" in told
    assert "Traceback" not in told
