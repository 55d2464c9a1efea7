variable "name" {
  description = "What everything is called, and begins with."
  type        = string
  default     = "lakegate"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}$", var.name))
    error_message = "A name has 2 to 25 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "region" {
  description = "Region of AWS."
  type        = string
}

variable "tags" {
  description = "Tags of every resource, beside our own."
  type        = map(string)
  default     = {}
}

variable "vpc_cidr" {
  description = "The network's addresses, a /16 to /18. Pods have addresses of it, too."
  type        = string
  default     = "10.40.0.0/16"
}

variable "zones" {
  description = "Availability zones: nodes and the database spread over them."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 4
    error_message = "EKS and RDS need two zones at least; four find room in the network."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes' minor version, one that EKS has."
  type        = string
  default     = "1.35"
}

variable "public_api_cidrs" {
  description = "Who may reach the cluster's API from the Internet. Nobody: it is reached from the network alone."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.public_api_cidrs, "0.0.0.0/0")
    error_message = "Name the networks of your administrators instead of the whole Internet."
  }
}

variable "administrators" {
  description = "ARNs of IAM roles that administer the cluster. The role that runs Terraform is none by itself."
  type        = set(string)
}

variable "namespace" {
  description = "The Kubernetes namespace that the chart is installed in. Machines have one of their own behind it."
  type        = string
  default     = "lakegate"
}

variable "release" {
  description = "The Helm release. Gateways' service account is called after it; it must hold the word lakegate."
  type        = string
  default     = "lakegate"

  validation {
    condition     = strcontains(var.release, "lakegate") && length(var.release) <= 34
    error_message = "A release's name holds the word lakegate and has at most 34 characters."
  }
}

variable "node_groups" {
  description = "Managed node groups: `capacity` is ON_DEMAND or SPOT; `machines` keeps all but machines away."

  type = map(object({
    capacity       = string
    instance_types = list(string)
    min_size       = number
    max_size       = number
    machines       = bool
    labels         = map(string)
  }))

  default = {
    gateways = {
      capacity       = "ON_DEMAND"
      instance_types = ["m7i.large", "m7a.large"]
      min_size       = 2
      max_size       = 6
      machines       = false
      labels         = {}
    }
    machines = {
      capacity       = "ON_DEMAND"
      instance_types = ["m7i.2xlarge", "m7a.2xlarge"]
      min_size       = 1
      max_size       = 50
      machines       = true
      labels         = {}
    }
    machines-spot = {
      capacity       = "SPOT"
      instance_types = ["m7i.2xlarge", "m7a.2xlarge", "m6i.2xlarge", "m6a.2xlarge", "r7i.2xlarge", "r7a.2xlarge"]
      min_size       = 0
      max_size       = 200
      machines       = true
      labels         = {}
    }
    machines-metal = {
      capacity       = "ON_DEMAND"
      instance_types = ["m7i.metal-24xl"]
      min_size       = 0
      max_size       = 4
      machines       = true
      labels         = { "lakegate.dev/kata" = "true" }
    }
  }

  validation {
    condition     = alltrue([for group in var.node_groups : contains(["ON_DEMAND", "SPOT"], group.capacity)])
    error_message = "A node group's capacity is ON_DEMAND or SPOT."
  }
}

variable "database_instance_class" {
  description = "The metastore's instance class. It answers metadata and takes each change; rows are not in it."
  type        = string
  default     = "db.m7g.large"
}

variable "database_storage_gib" {
  description = "The metastore's storage at first, in GiB. It grows by itself up to ten times that."
  type        = number
  default     = 50
}

variable "workspace_roles" {
  description = "ARNs of roles, of this account or another, that gateways may assume: each opens a workspace's data."
  type        = set(string)
  default     = []
}

variable "machine_prefixes" {
  description = "Prefixes of the lake's bucket that machines may read and write, each ended by a slash."
  type        = set(string)
  default     = ["warehouse/"]

  validation {
    condition     = alltrue([for prefix in var.machine_prefixes : can(regex("^[^/*?][^*?]*/$", prefix))])
    error_message = "A prefix is ended by a slash, begins with none and holds no wildcard."
  }
}

variable "foreign_accounts" {
  description = "Other accounts that may read prefixes of the lake: each with an external id that it alone was told."

  type = map(object({
    account_id  = string
    external_id = string
    prefixes    = set(string)
  }))

  default = {}

  validation {
    condition     = alltrue([for account in var.foreign_accounts : can(regex("^[0-9]{12}$", account.account_id))])
    error_message = "An account id has twelve digits."
  }

  validation {
    condition     = alltrue([for account in var.foreign_accounts : length(account.external_id) >= 16])
    error_message = "An external id has sixteen characters at least: draw one at random for each account."
  }

  validation {
    condition = alltrue(flatten([
      for account in var.foreign_accounts : [for prefix in account.prefixes : can(regex("^[^/*?][^*?]*/$", prefix))]
    ]))
    error_message = "A prefix is ended by a slash, begins with none and holds no wildcard."
  }
}
