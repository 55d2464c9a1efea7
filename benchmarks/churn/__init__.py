"""Births and deaths of pods on many simulated nodes: Lakegate beside the least that does the same.

Owns: the simulated cluster, the two subjects, each a process of its own, and what a round of one is made of.

Layers: `cluster` starts a control plane and KWOK's nodes; ``__main__`` is a subject's process and `subject` the handle
that the suite has of it; `lakegate` and `bare` are the subjects; `guests` answers for all pods at once.

A pod's life, for both: created from the same manifest, scheduled, running, claimed by a patch that only an unclaimed
pod takes, deleted, gone. Lakegate's goes through the real Pool, Fleet and KubernetesSpawner with a mutual TLS channel
to a guest that speaks the protocol and runs nothing; the bare client makes the three requests, reads one watch and has
no guest. So the bare client's rate is the API server's own limit on this machine.
"""
