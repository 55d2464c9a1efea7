"""Masters of other people's clusters, as an operator names them and as a driver is told of them."""

import socket
from pathlib import Path

import pytest

from compute.config import Executors
from compute.spark.driver import EVERYWHERE, explain, open_driver
from compute.spark.installation import Installation
from compute.spark.master import Address, Master, Unreachable, executor_properties, parse_addresses

JARS = tuple(f"/opt/jars/{number}.jar" for number in range(20))
INSTALLATION = Installation(Path("/opt/java/bin/java"), JARS, Path("/opt/spark.aot"))
SITE = """<configuration>
<property><name>yarn.resourcemanager.hostname</name><value>manager</value></property>
<property><name>yarn.resourcemanager.address.rm2</name><value>other:8050</value></property>
<property><name>yarn.resourcemanager.webapp.address</name><value>manager:8088</value></property>
</configuration>"""


@pytest.fixture
def hadoop(tmp_path: Path) -> Path:
    (tmp_path / "yarn-site.xml").write_text(SITE)
    return tmp_path


def listening() -> tuple[socket.socket, Master]:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    return server, Master(f"spark://127.0.0.1:{port}", (Address("127.0.0.1", port),))


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("spark://master:7078", [Address("master", 7078)]),
        ("spark://master", [Address("master", 7077)]),
        ("spark://one:1,two:2", [Address("one", 1), Address("two", 2)]),
        ("spark://[::1]:7077", [Address("::1", 7077)]),
    ],
)
def test_a_standalone_master_has_addresses(url: str, addresses: list[Address]) -> None:
    assert list(parse_addresses(url, None)) == addresses


@pytest.mark.parametrize("url", ["local[2]", "mesos://x", "spark://", "spark://me@x", "spark://x/y", "spark://x:y"])
def test_others_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"write spark://HOST:PORT|is no HOST:PORT"):
        parse_addresses(url, None)


def test_yarn_is_found_by_its_configuration(hadoop: Path) -> None:
    assert parse_addresses("yarn", hadoop) == (Address("manager", 8032), Address("other", 8050))


@pytest.mark.parametrize("content", [None, "<configuration/>", "no XML"])
def test_a_folder_that_does_not_say_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "yarn-site.xml").write_text(content)
    with pytest.raises(ValueError, match=r"HADOOP_CONF_DIR|names no|is not XML"):
        parse_addresses("yarn", tmp_path)


def test_nobody_at_the_masters_address() -> None:
    server, master = listening()
    server.close()
    with pytest.raises(Unreachable, match="see that it runs there"):
        master.connect()


def test_the_secret_comes_from_a_file_and_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hidden\n")
    server, open_to_all = listening()
    with server:
        master = Master(open_to_all.url, open_to_all.addresses, secret=str(file))
        driver = open_driver(master.dump(), INSTALLATION)
    assert driver.settings["spark.authenticate.secret"] == "hidden"
    assert driver.settings["spark.network.crypto.enabled"] == "true"
    assert "hidden" not in repr(driver) + repr(master) + master.dump()
    assert (master.authenticates, open_to_all.authenticates) == (True, False)


def test_executors_get_deltas_jars_and_the_address_that_leads_to_the_master() -> None:
    server, master = listening()
    with server:
        driver = open_driver(master.dump(), INSTALLATION)
    assert driver.settings["spark.driver.host"] == driver.settings["spark.driver.bindAddress"] == "127.0.0.1"
    assert driver.settings["spark.jars"].split(",") == list(JARS[:9])
    assert "spark.authenticate" not in driver.settings


def test_an_address_that_the_operator_names_is_told_and_every_one_is_listened_on() -> None:
    server, found = listening()
    with server:
        master = Master(found.url, found.addresses, host="gateway.example", port=7100)
        driver = open_driver(master.dump(), INSTALLATION)
    assert driver.settings["spark.driver.host"] == "gateway.example"
    assert driver.settings["spark.driver.bindAddress"] == EVERYWHERE
    assert driver.settings["spark.driver.port"] == driver.settings["spark.driver.blockManager.port"] == "7100"


def test_yarn_makes_the_secret_and_has_the_jars_uploaded(hadoop: Path) -> None:
    server, found = listening()
    with server:
        master = Master("yarn", found.addresses, hadoop=str(hadoop), queue="sql")
        driver = open_driver(master.dump(), INSTALLATION)
    assert master.authenticates
    assert driver.settings["spark.authenticate"] == "true"
    assert "spark.authenticate.secret" not in driver.settings
    assert driver.settings["spark.yarn.jars"].split(",") == list(JARS)
    assert driver.settings["spark.yarn.queue"] == "sql"
    assert driver.environment["HADOOP_CONF_DIR"] == str(hadoop) == driver.class_path[0]
    assert str(hadoop) in driver.folders


def test_node_types_are_labels_of_yarns() -> None:
    spot = Executors(2, 4, threads=2, node_type="spot")
    yarn = Master("yarn", (Address("manager", 8032),))
    assert executor_properties(yarn, spot)["spark.yarn.executor.nodeLabelExpression"] == "spot"
    standalone = Master("spark://master", (Address("master", 7077),))
    assert executor_properties(standalone, Executors(2, 4, threads=2))["spark.cores.max"] == "8"
    with pytest.raises(ValueError, match="unset LAKEGATE_EXECUTOR_NODES"):
        executor_properties(standalone, spot)


def test_what_spark_says_is_explained() -> None:
    assert "LAKEGATE_SPARK_SECRET_FILE" in explain("ERROR x: All masters are unresponsive! Giving up.")
    assert explain("anything else") == ""
