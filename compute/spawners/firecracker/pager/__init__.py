"""The pager: brings the pages of clones when they touch them, where the memory back end is Uffd.

Owns: one template's memory file, mapped once, and for each clone the userfaultfd that its VMM has handed over.

Layers: `__main__` (accepts VMMs, a child for each) over `service` (one VMM's faults), `mappings` (what a VMM says of
its memory) and `userfault` (the Linux calls).

Lifecycle: one process a template, started by the spawner with a listening socket that is linked into every jail. For
each VMM it forks a child, which takes on the VMM's own user, serves its faults and ends with it. Where a child fails,
the VMM would wait for ever: it is killed.

Never: a page from outside the memory file; a mapping that was not checked; a VMM that waits for a page nobody brings.

References: userfaultfd(2), ioctl_userfaultfd(2); Firecracker's document on page faults at snapshot resume.
"""
