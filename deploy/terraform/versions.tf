# EKS, RDS, S3 and IAM for Lakegate, in one account and region of AWS. `helm_values` among the outputs is what the
# chart is installed with.
#
# The state belongs into a backend with locking; name it when you initialise:
#   terraform init -backend-config=...

terraform {
  required_version = ">= 1.10, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.62.0"
    }
  }

  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge({ "lakegate.dev/installation" = var.name }, var.tags)
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}
