"""The guest image: what runs inside a machine that is no process of the host, built from packages and locked wheels.

    python -m deploy.guest [--entrypoint ARG...]     builds what is missing and prints the image's folder

Owns: the root file system in four layers (Debian's packages, wheels, our own modules, their bytecode), the kernel and
its initrd, and the two shapes in which the root leaves: a read-only EROFS image for microVMs and an OCI archive for
pods. Beside them lies the bill of materials.

Layers: `recipe` (what goes in) under `debian`, `wheels`, `sources`, `bytecode` (one layer each, a sorted tar with fixed
times: `tarball`), `boot` (kernel, initrd), `erofs`, `oci` and `bill`; `image` puts them together in the cache folder.

Lifecycle: a layer is kept under a key of what it is made from, an image under a key of its layers. Debian's newest
packages are taken when a layer is first made, or those of an archive of one day (`debian.ARCHIVE`); `bill.json` says
which. The same packages give the same bytes.

Never: a shell, package tools, documentation or locales in the root; secrets; a file that depends on the clock or on the
host that builds.

References: mmdebstrap(1), mode ``extract``; mkfs.erofs(1); OCI image layout; CycloneDX 1.6.
"""
