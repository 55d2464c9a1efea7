"""The image of Spark's pods, drivers and executors alike, and of its microVMs: the guest image with Java, Spark and
Delta in it.

    python -m deploy.spark [--microvm]     builds what is missing and prints the OCI archive, or the image's folder

Owns: what lies above the guest's four layers: three programs that Hadoop and Spark run, gRPC and the protocol's
modules, the runtime as set-up left it in the cache folder (Java, pyspark's jars, Delta's, the AOT cache trained on
them), our modules that use it, their bytecode.

Layers: `contents` (one function a layer) over `deploy.guest`; `image` puts them together in the cache folder.

Lifecycle: archive and image are kept under a key of their layers. A node that has the guest image has the lower four
already. The AOT cache is an input: it is trained by each host's set-up, and no two are alike.

Never: a second copy of a layer in the cache folder; other times of the runtime's files than the ones that the AOT
cache was trained with, which Java compares.
"""
