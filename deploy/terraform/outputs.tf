output "helm_values" {
  description = "What the chart needs to know: terraform output -json helm_values > values.json; helm install -f values.json"

  value = {
    gateway = { roleArn = aws_iam_role.gateway.arn }

    metastore = {
      port  = aws_db_instance.metastore.port
      cidrs = values(local.database_cidrs)
    }

    machines = {
      nodeTypes = {
        default = { capacity = "on-demand" }
        spot    = { capacity = "spot" }
        metal   = { capacity = "on-demand", runtimeClass = "kata" }
      }
    }

    networkPolicy = {
      clientCidrs    = [var.vpc_cidr]
      apiServerCidrs = values(local.node_cidrs)
    }
  }
}

output "cluster" {
  description = "For aws eks update-kubeconfig, and for the cluster's other tenants."

  value = {
    name     = aws_eks_cluster.this.name
    endpoint = aws_eks_cluster.this.endpoint
    issuer   = local.issuer
  }
}

output "metastore" {
  description = "Where the metastore is, and the secret of Secrets Manager that holds its user and password."

  value = {
    host       = aws_db_instance.metastore.address
    port       = aws_db_instance.metastore.port
    database   = aws_db_instance.metastore.db_name
    secret_arn = aws_db_instance.metastore.master_user_secret[0].secret_arn
    role_arn   = aws_iam_role.secrets.arn
  }
}

output "lake" {
  description = "The bucket of tables, and the role that opens its prefixes to machines."

  value = {
    bucket   = aws_s3_bucket.lake.bucket
    role_arn = aws_iam_role.machine.arn
  }
}

output "file_system" {
  description = "For a StorageClass of efs.csi.aws.com, which the chart's storage.className names."
  value       = aws_efs_file_system.tables.id
}

output "foreign_roles" {
  description = "The role of each foreign account."
  value       = { for name, role in aws_iam_role.foreign : name => role.arn }
}
