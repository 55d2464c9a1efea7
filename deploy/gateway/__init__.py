"""The gateway's container image, built from Debian's Python, the locked wheels and our own packages.

    python -m deploy.gateway     builds what is missing and prints the OCI archive

Owns: what a gateway needs in a cluster and nothing else. Machines are pods there, so neither Spark nor Java is in it;
PostgreSQL is, as the wheel that the metastore uses where no other server is named.

Layers: `contents` (one function a layer) over `deploy.guest`, which knows packages, tars, bytecode, OCI archives and
bills of materials; `image` puts them together in the cache folder.

Lifecycle: a layer is kept under a key of what it is made from, an image under a key of its layers. Beside the archive
lies `bill.json`. `ctr images import` and registries' clients take it, and the chart `deploy/helm/lakegate` runs it.

Never: package tools or a compiler in the root; secrets; a file that is written while it runs (the root is
read-only, the user is not root).
"""
