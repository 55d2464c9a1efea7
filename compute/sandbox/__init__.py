"""What shuts a machine off from the host, from other machines and from the network.

Owns: the Linux calls (`namespaces`), what a machine may take of the host (`cgroups`, `disk`) and ask of the kernel
(`seccomp`, by the tables of `syscalls`), the order in which a machine uses them (`recipe`) and the trial that tells
what this host allows (`trial`).

Lifecycle: `Sandbox.prepare` right after the fork enters the control groups and makes the namespaces, which costs the
most and knows no tenant; `Sandbox.seal`, once the machine knows its workspace, puts the root folder together, gives up
every privilege and filters what is left.

Never: a privilege kept after the seal; a mount that the host could see; a tenant's file before the identity.
"""
