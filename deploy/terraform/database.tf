# The metastore. Its password is RDS's own secret, which RDS changes every week.

resource "aws_db_subnet_group" "metastore" {
  name       = "${var.name}-metastore"
  subnet_ids = [for subnet in aws_subnet.database : subnet.id]
}

resource "aws_security_group" "metastore" {
  name        = "${var.name}-metastore"
  description = "PostgreSQL, for the cluster's nodes and pods"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "metastore" {
  security_group_id            = aws_security_group.metastore.id
  description                  = "from the cluster"
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "metastore" {
  name_prefix = "${var.name}-metastore-"
  family      = "postgres18"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_connections"
    value = "1"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "metastore" {
  identifier     = "${var.name}-metastore"
  engine         = "postgres"
  engine_version = "18"
  instance_class = var.database_instance_class
  db_name        = "lakegate"
  username       = "lakegate"

  manage_master_user_password         = true
  master_user_secret_kms_key_id       = aws_kms_key.data.arn
  iam_database_authentication_enabled = true

  allocated_storage     = var.database_storage_gib
  max_allocated_storage = 10 * var.database_storage_gib
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.data.arn

  multi_az               = true
  publicly_accessible    = false
  db_subnet_group_name   = aws_db_subnet_group.metastore.name
  vpc_security_group_ids = [aws_security_group.metastore.id]
  parameter_group_name   = aws_db_parameter_group.metastore.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  backup_retention_period         = 14
  copy_tags_to_snapshot           = true
  deletion_protection             = true
  skip_final_snapshot             = false
  final_snapshot_identifier       = "${var.name}-metastore-final"
  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.data.arn
}
