"""Machines as pods of a Kubernetes cluster.

Owns: what a pod of ours looks like, which nodes it asks for, whose it is, its channel's certificates, and the view of
pods and nodes that the API server keeps up to date.

Layers:

    spawner    open, start, poll, stop, close; adopts what is left of us and reaps what is left of others
    machine    one pod, and connections to its guest: claimed with the identity, given up when its node leaves
    ownership  pods' labels, the claim and the adoption (JSON patches with preconditions), a gateway's heartbeat
    informer   list and watch of one kind of object: resumes, reopens, lists again when told 410 Gone
    channel    mutual TLS: a certificate authority that signs two certificates and is forgotten
    pairs      these certificates in the cluster: there, our own and valid for as long as the gateway lives
    manifests  pods and Secrets as plain values; `namespace` what an administrator applies once, `nodes` node types
    estate     nodes of placed types, as the fleet hears of them; `quantities` what they hold
    api        the API server over kubernetes_asyncio, in plain values

Lifecycle of a machine: its pod is created when the pool starts a machine, before anybody wants it; Running; its guest
says HELLO through TLS; claimed when it gets its identity, by a patch that only an unclaimed pod of this very gateway
takes and that travels beside the identity, so it costs no round trip of its own; no statement is sent before the claim
holds. Deleted when the lease ends.

A gateway's name outlives its process, its instance does not. Restarted, it adopts the unclaimed pods of its name and
deletes the claimed ones, whose leases died with it. Gateways renew a Lease object; pods of one that has stopped doing
so are deleted by any other. Everything a gateway creates is owned by that object, so a cluster that loses all gateways
is cleaned by deleting those. One that was taken for dead and is back has its Lease and its Secrets made anew. One that
finds its name with another process starts and deletes nothing more: the gateway drains and ends.

Interruption: a pod that is being deleted, evicted or whose node is tainted to go is leaving, and the fleet hears of it.
Unclaimed, it is replaced at once. Claimed, nobody new comes to it and its statement runs on as long as the node lets
it; then its connection closes, the session takes another lease, and a read that had not answered yet is run again.

Placed node types: of these the fleet hears which nodes join, drain and go, and it chooses the node. The pod requires
that node by its affinity, so that the scheduler still looks whether it fits; where it says no, the start has failed,
and the fleet lets the node rest.

Never: a claim that two gateways could both win; a plain-text byte; a pod that may call the API server, but for Spark's
drivers; one that sees files of two workspaces; a decision about how many machines there are.

References: Kubernetes API concepts ("Efficient detection of changes", "Resource versions"); Pod Security Standards,
"Restricted"; RFC 6902 (JSON Patch).
"""
