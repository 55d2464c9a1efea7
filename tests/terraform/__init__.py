"""The Terraform module, checked where there is no AWS: its syntax, what its blocks refer to, and every argument's name.

Owns: `schema`, what the AWS provider takes, out of its published bindings; `module`, the module's blocks as they are
written; the tests that hold one against the other.

Never: an account of AWS, a plan, a value that is only known there. Types of expressions are not checked.
"""
