"""The Terraform module: every block against the provider's own schema, and what it must never allow."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from tests.charts import CHART
from tests.terraform.complaints import wrong_arguments, wrong_references
from tests.terraform.module import FOLDER, Block, Module, plain, read_module, references
from tests.terraform.schema import PROVIDER, Schema, provider_schema

MODULE = read_module()
BLOCKS = list(MODULE.blocks())


@pytest.fixture(scope="module")
def provider() -> Schema:
    return provider_schema()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.address)
def test_the_provider_takes_every_argument(block: Block, provider: Schema) -> None:
    assert list(wrong_arguments(block, provider)) == []


def test_every_reference_leads_somewhere(provider: Schema) -> None:
    assert list(wrong_references(MODULE, provider)) == []


def test_the_schema_is_the_pinned_providers() -> None:
    (terraform,) = (each for file in MODULE.parsed.values() for each in file.get("terraform", ()))
    (providers,) = terraform["required_providers"]
    assert plain(providers["aws"]["version"]) == PROVIDER


def test_every_variable_is_described_typed_and_used() -> None:
    used = set(references(list(MODULE.parsed.values())))
    for name, body in MODULE.named("variable").items():
        assert {"description", "type"} <= body.keys(), name
        assert any(each.startswith(f"var.{name}") for each in used), name
    assert all("description" in body for body in MODULE.named("output").values())


GOOD = 'resource "aws_vpc" "a" {\n  cidr_block = var.cidr\n}\nvariable "cidr" {}\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("cidr_block", "cidr_blocks"), "aws_vpc.a: there is no argument cidr_blocks"),
        (GOOD.replace("aws_vpc", "aws_vcp"), "aws_vcp.a: there is no aws_vcp"),
        (GOOD.replace("var.cidr", "var.cird"), "var.cird: there is no var.cird"),
        (GOOD + 'output "b" {\n  value = aws_vpc.b.id\n}\n', "aws_vpc.b.id: there is no aws_vpc.b"),
        (GOOD + 'output "b" {\n  value = aws_vpc.a.di\n}\n', "aws_vpc.a.di: aws_vpc has no attribute di"),
        ('resource "aws_subnet" "a" {}', "aws_subnet.a: vpc_id is missing"),
        ('resource "aws_eks_addon" "a" {\n  cluster_name = "a"\n}', "aws_eks_addon.a: addon_name is missing"),
        ('resource "aws_vpc" "a" {\n  tags {\n    a = "b"\n  }\n}', "aws_vpc.a: there is no block tags"),
        (
            'resource "aws_launch_template" "a" {\n  metadata_options {\n    tokens = "required"\n  }\n}',
            "aws_launch_template.a.metadata_options: there is no argument tokens",
        ),
        (
            'resource "aws_launch_template" "a" {\n  metadata_options = { http_tokens = "required" }\n}',
            "aws_launch_template.a: there is no argument metadata_options",
        ),
    ],
)
def test_a_mistake_is_found(text: str, complaint: str, provider: Schema) -> None:
    module = Module({"main.tf": hcl2.loads(text + "\n")})
    found = [each for block in module.blocks() for each in wrong_arguments(block, provider)]
    try:
        found += wrong_references(module, provider)
    except KeyError:
        assert found
    assert complaint in found


# What it must never allow


def test_the_database_is_closed_and_encrypted() -> None:
    database = MODULE.resource("aws_db_instance")
    for name in ("storage_encrypted", "manage_master_user_password", "deletion_protection", "multi_az"):
        assert database[name] is True, name
    assert database["publicly_accessible"] is False
    assert "password" not in database
    forced = MODULE.resource("aws_db_parameter_group")["parameter"][0]
    assert (forced["name"], forced["value"]) == ('"rds.force_ssl"', '"1"')


def test_the_lake_is_private_versioned_and_encrypted() -> None:
    access = MODULE.resource("aws_s3_bucket_public_access_block")
    assert [access[name] for name in access if name.startswith(("block_", "ignore_", "restrict_"))] == [True] * 4
    (versioning,) = MODULE.resource("aws_s3_bucket_versioning")["versioning_configuration"]
    assert versioning["status"] == '"Enabled"'
    (rule,) = MODULE.resource("aws_s3_bucket_server_side_encryption_configuration")["rule"]
    assert rule["apply_server_side_encryption_by_default"][0]["sse_algorithm"] == '"aws:kms"'
    denied = [each["condition"][0]["variable"] for each in statements("lake") if each["effect"] == '"Deny"']
    assert denied == ['"aws:SecureTransport"', '"s3:TlsVersion"']


def test_the_cluster_is_reached_from_within_unless_said_otherwise() -> None:
    cluster = MODULE.resource("aws_eks_cluster")
    (network,) = cluster["vpc_config"]
    assert network["endpoint_private_access"] is True
    assert network["endpoint_public_access"] == "${length(var.public_api_cidrs) > 0}"
    assert MODULE.named("variable")["public_api_cidrs"]["default"] == []
    assert cluster["encryption_config"][0]["resources"] == ['"secrets"']


def test_pods_cannot_ask_for_their_nodes_credentials() -> None:
    (options,) = MODULE.resource("aws_launch_template")["metadata_options"]
    assert (options["http_tokens"], options["http_put_response_hop_limit"]) == ('"required"', 1)


POLICIES = [block for block in BLOCKS if block.kind == "aws_iam_policy_document"]


def statements(name: str) -> list[Mapping[str, Any]]:
    (found,) = (block.body["statement"] for block in POLICIES if block.address.endswith(f".{name}"))
    return list(found)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.address)
def test_no_policy_allows_everything(policy: Block) -> None:
    """Neither every action of a service nor every resource; whom it trusts is said by more than an account."""
    for statement in policy.body["statement"]:
        if statement.get("effect") == '"Deny"':
            continue
        assert "*" not in "".join(statement["actions"])
        assert '"*"' not in statement.get("resources", ())
        for principal in statement.get("principals", ()):
            named = [plain(each) for each in principal["identifiers"]]
            assert "condition" in statement or not any(each == "*" or each.endswith(":root") for each in named)
            assert "condition" in statement or plain(principal["type"]) != "Federated"


def test_foreign_accounts_need_their_external_id() -> None:
    ((condition,),) = ([each["condition"][0]] for each in statements("foreign_trust"))
    assert condition["variable"] == '"sts:ExternalId"'
    assert condition["values"] == ["${each.value.external_id}"]


# What the chart is told


def test_the_chart_has_every_value_that_it_is_told() -> None:
    told = MODULE.named("output")["helm_values"]["value"]
    values = yaml.safe_load((Path(CHART) / "values.yaml").read_text())
    assert list(unknown(told, values)) == []


def unknown(told: Mapping[str, Any], values: Mapping[str, Any], at: str = "") -> Iterator[str]:
    for name, value in told.items():
        if name not in values:
            yield f"{at}{name}"
        elif isinstance(value, Mapping) and isinstance(values[name], Mapping):
            yield from unknown(value, values[name], f"{at}{name}.")


def test_gateways_trust_is_the_charts_service_account() -> None:
    account = plain(MODULE.locals()["accounts"]["gateway"])
    assert account == "system:serviceaccount:${var.namespace}:${var.release}-gateway"
    assert '{{ include "lakegate.name" . }}-gateway' in (Path(CHART) / "templates" / "_names.tpl").read_text()


def test_files_are_small() -> None:
    assert max(len(path.read_text().splitlines()) for path in FOLDER.glob("*.tf")) <= 200
