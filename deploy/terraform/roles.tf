# Roles of service accounts: who a pod is to AWS, and what it may. A guest has no role of its own: gateways assume
# the machines' role for a statement, narrowed to its tables, and hand out what expires.

locals {
  issuer = trimprefix(aws_iam_openid_connect_provider.cluster.url, "https://")

  # Each role's one service account.
  accounts = {
    gateway = "system:serviceaccount:${var.namespace}:${var.release}-gateway"
    secrets = "system:serviceaccount:${var.namespace}:${var.release}-secrets"
    files   = "system:serviceaccount:kube-system:efs-csi-controller-sa"
  }
}

data "aws_iam_policy_document" "account_trust" {
  for_each = local.accounts

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = [each.value]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "gateway" {
  name               = "${var.name}-gateway"
  description        = "Gateways: tables of the lake, and the roles of workspaces"
  assume_role_policy = data.aws_iam_policy_document.account_trust["gateway"].json
}

data "aws_iam_policy_document" "gateway" {
  source_policy_documents = [data.aws_iam_policy_document.prefixes["machines"].json]

  statement {
    sid       = "RolesOfWorkspaces"
    actions   = ["sts:AssumeRole"]
    resources = concat([aws_iam_role.machine.arn], tolist(var.workspace_roles))
  }
}

resource "aws_iam_role_policy" "gateway" {
  name   = "lake"
  role   = aws_iam_role.gateway.id
  policy = data.aws_iam_policy_document.gateway.json
}

data "aws_iam_policy_document" "machine_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.gateway.arn]
    }
  }
}

resource "aws_iam_role" "machine" {
  name                 = "${var.name}-machine"
  description          = "The most that a guest's credentials may open; each statement's are narrower"
  assume_role_policy   = data.aws_iam_policy_document.machine_trust.json
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "machine" {
  name   = "lake"
  role   = aws_iam_role.machine.id
  policy = data.aws_iam_policy_document.prefixes["machines"].json
}

# For an operator that copies the metastore's password into the Secret that the chart names.
resource "aws_iam_role" "secrets" {
  name               = "${var.name}-secrets"
  description        = "Reads the metastore's password and nothing else"
  assume_role_policy = data.aws_iam_policy_document.account_trust["secrets"].json
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = [aws_db_instance.metastore.master_user_secret[0].secret_arn]
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.data.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${var.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "secrets" {
  name   = "password"
  role   = aws_iam_role.secrets.id
  policy = data.aws_iam_policy_document.secrets.json
}
