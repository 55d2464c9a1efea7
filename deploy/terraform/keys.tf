# One key for the cluster's secrets, one for data at rest. Their policies are the account's own: IAM decides.

resource "aws_kms_key" "cluster" {
  description             = "${var.name}: Kubernetes' Secrets"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_kms_alias" "cluster" {
  name          = "alias/${var.name}-cluster"
  target_key_id = aws_kms_key.cluster.key_id
}

resource "aws_kms_key" "data" {
  description             = "${var.name}: tables, the metastore and its password"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_kms_alias" "data" {
  name          = "alias/${var.name}-data"
  target_key_id = aws_kms_key.data.key_id
}
