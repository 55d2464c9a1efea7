# Roles by which other accounts read prefixes of the lake. The external id keeps a third party from lending them ours.

data "aws_iam_policy_document" "foreign_trust" {
  for_each = var.foreign_accounts

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${each.value.account_id}:root"]
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [each.value.external_id]
    }
  }
}

resource "aws_iam_role" "foreign" {
  for_each = var.foreign_accounts

  name                 = "${var.name}-foreign-${each.key}"
  description          = "Account ${each.value.account_id}: reads its prefixes of the lake"
  assume_role_policy   = data.aws_iam_policy_document.foreign_trust[each.key].json
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "foreign" {
  for_each = var.foreign_accounts

  name   = "lake"
  role   = aws_iam_role.foreign[each.key].id
  policy = data.aws_iam_policy_document.prefixes["foreign/${each.key}"].json
}
