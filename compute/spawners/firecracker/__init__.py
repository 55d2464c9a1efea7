"""Machines as Firecracker microVMs: each a clone of a template, in a jail of its own.

Owns: what is asked of Firecracker and its jailer, the templates, the jails, and what of the host a machine holds (a
user, a control group, a network namespace).

Layers:

    spawner     start, poll, stop
    templates   boots a guest (`boot` its command line, `kernel` its image), waits until it is warm, snapshots it
    host        the run folder, and the `slots` and `network` that machines take turns with; `reaping` ends what is left
    vmm         one VMM process: launched by the jailer, watched, killed
    jail        the jailer's command line, and the files of a jail
    api         one call of the VMM's API over its Unix socket; `calls` are the calls, in order and as values
    vsock       a connection to the guest; `compute.guest.vsock` is at its other end
    pager       a process that serves the page faults of clones, where the memory back end is Uffd; `pagers` starts it
    trial       what this host lacks

Lifecycle of a machine: files linked into a fresh jail; the jailer makes the jail's namespaces, joins control group and
network namespace, gives up root and becomes the VMM; one call loads the template's snapshot and resumes it; the guest
accepts at once, since it listened when the snapshot was taken. It ends by SIGKILL: nothing in it needs saving. Then its
jail and control group are removed, and its slot is another's.

Memory: a clone maps the template's memory file privately (File), or has its pages brought by the pager (Uffd), which is
what huge pages and memory files that lie elsewhere need.

Never: a tenant's data in a template; a path outside the jail in a call; a network device that was not asked for; an
answer of a VMM or guest that is believed beyond its bounds.

References: Firecracker's API description (version 1.17), its documents on the jailer, on snapshots, on vsock and on
page faults; userfaultfd(2), vsock(7), cgroups(7).
"""
