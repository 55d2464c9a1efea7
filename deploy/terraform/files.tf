# Managed tables that all gateways see lie on a file system of the network: the chart claims room on it.

resource "aws_efs_file_system" "tables" {
  encrypted       = true
  kms_key_id      = aws_kms_key.data.arn
  throughput_mode = "elastic"

  tags = { Name = "${var.name}-tables" }
}

resource "aws_security_group" "files" {
  name        = "${var.name}-files"
  description = "NFS, for the cluster's nodes"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "files" {
  security_group_id            = aws_security_group.files.id
  description                  = "from the cluster"
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

resource "aws_efs_mount_target" "tables" {
  for_each = aws_subnet.nodes

  file_system_id  = aws_efs_file_system.tables.id
  subnet_id       = each.value.id
  security_groups = [aws_security_group.files.id]
}

# TLS to it, or nothing.
data "aws_iam_policy_document" "files" {
  statement {
    effect    = "Deny"
    actions   = ["*"]
    resources = [aws_efs_file_system.tables.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite", "elasticfilesystem:ClientRootAccess"]
    resources = [aws_efs_file_system.tables.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "elasticfilesystem:AccessedViaMountTarget"
      values   = ["true"]
    }
  }
}

resource "aws_efs_file_system_policy" "tables" {
  file_system_id = aws_efs_file_system.tables.id
  policy         = data.aws_iam_policy_document.files.json
}

resource "aws_iam_role" "files" {
  name               = "${var.name}-files"
  description        = "The CSI driver: access points of the file system"
  assume_role_policy = data.aws_iam_policy_document.account_trust["files"].json
}

resource "aws_iam_role_policy_attachment" "files" {
  role       = aws_iam_role.files.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonEFSCSIDriverPolicy"
}

resource "aws_eks_addon" "files" {
  cluster_name             = aws_eks_cluster.this.name
  addon_name               = "aws-efs-csi-driver"
  service_account_role_arn = aws_iam_role.files.arn

  depends_on = [aws_eks_node_group.this]
}
