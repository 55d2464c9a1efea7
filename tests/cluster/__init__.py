"""A real Kubernetes cluster for tests, on this host alone and gone with the test session.

Owns: the build of its one binary (`build`: a Go module of ours round Kubernetes', etcd's and KWOK's own commands), its
certificates, the control plane's processes, and nodes of two kinds: KWOK's, which only say that pods run, and a real
kubelet with containerd and crun in namespaces of its own, where network policies hold.

Lifecycle: `python -m tests.cluster.build` builds the binary once a version into LAKEGATE_CACHE (ten to twenty minutes;
`make test` does it first). A control plane takes some five seconds to start; one serves a whole test session, and every
test has a namespace of its own. Each process dies with the one that started it, by the kernel.

Never: a process, mount or network interface that outlives the session; an address other than loopback.
"""
