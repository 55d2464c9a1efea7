"""Executors, as their driver is told to have them: how many, how large, and how work survives the loss of some."""

from collections.abc import Mapping

from compute.config import Executors


def allocation_settings(executors: Executors) -> Mapping[str, str]:
    """As many as there is work for. One that holds shuffled blocks stays while somebody may ask for them."""
    prefix = "spark.dynamicAllocation"
    return {
        "spark.executor.cores": str(executors.threads),
        "spark.executor.memory": f"{executors.memory_bytes}b",
        "spark.sql.shuffle.partitions": str(2 * executors.most * executors.threads),
        f"{prefix}.enabled": "true",
        f"{prefix}.shuffleTracking.enabled": "true",
        f"{prefix}.shuffleTracking.timeout": "600s",
        f"{prefix}.minExecutors": str(executors.least),
        f"{prefix}.initialExecutors": str(executors.least),
        f"{prefix}.maxExecutors": str(executors.most),
        f"{prefix}.executorIdleTimeout": f"{executors.idle_seconds:g}s",
        **_SURVIVAL,
    }


# An executor whose node goes hands its blocks to others first; one that is lost has its tasks run again.
_SURVIVAL = {
    "spark.decommission.enabled": "true",
    "spark.storage.decommission.enabled": "true",
    "spark.storage.decommission.shuffleBlocks.enabled": "true",
    "spark.storage.decommission.rddBlocks.enabled": "true",
    "spark.task.maxFailures": "8",
    "spark.stage.maxConsecutiveAttempts": "8",
    # Spark ends a driver after some failed executors: over a life of days they would come together one by one.
    "spark.executor.failuresValidityInterval": "10m",
}
