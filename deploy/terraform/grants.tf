# What may be done to prefixes of the lake: by machines, and by each foreign account.

locals {
  reading = ["s3:GetObject"]
  writing = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]

  granted = merge(
    {
      machines = {
        prefixes = var.machine_prefixes
        actions  = concat(local.reading, local.writing)
        keys     = ["kms:Decrypt", "kms:GenerateDataKey"]
      }
    },
    {
      for name, account in var.foreign_accounts : "foreign/${name}" => {
        prefixes = account.prefixes
        actions  = local.reading
        keys     = ["kms:Decrypt"]
      }
    },
  )
}

data "aws_iam_policy_document" "prefixes" {
  for_each = local.granted

  statement {
    sid       = "Files"
    actions   = each.value.actions
    resources = [for prefix in each.value.prefixes : "${aws_s3_bucket.lake.arn}/${prefix}*"]
  }

  statement {
    sid       = "Listings"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [for prefix in each.value.prefixes : "${prefix}*"]
    }
  }

  statement {
    sid       = "KeyOfTheBucket"
    actions   = each.value.keys
    resources = [aws_kms_key.data.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.amazonaws.com"]
    }
  }
}
