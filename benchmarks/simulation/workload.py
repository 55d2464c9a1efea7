"""Demand in the shape of a published serverless trace: when leases are asked for, by whom, for how long.

The trace is Azure Functions' of July 2019 (Shahrad et al., "Serverless in the Wild", USENIX ATC 2020; Microsoft's
AzurePublicDataset). Its shape is rebuilt from the published numbers, since its files have 14 days of counts a minute
and no leases:

- day: a constant half of the peak hour, the other half rises and falls with the day (figure 4);
- tenants: the 18.6 % most popular make 99.6 % of the calls (figure 5b): log-normal rates, sigma 3.55;
- bursts: 40 % of tenants have a coefficient of variation above 1 (section 3.3): theirs come in batches, geometric
  with mean 5, which makes it 3; the others' are Poisson;
- statements: log-normal, log mean -0.38, sigma 2.36 seconds (figure 7), an hour at most.

Assumed, not published: a lease is a statement and then the time for which its session goes on, exponential with mean
ten minutes, so that 100 leases a second use some 60,000 machines at the peak; one lease in 30 is for Spark, one in ten
is batch; a spike of ten times the demand of all, for half a minute. Every 20th workspace by popularity has a budget for
each ten minutes, of what its average demand spends, so that a busy hour is too much for it; those half-way between have
twice the weight.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import intern

import numpy as np
from numpy.typing import NDArray

from compute.config import Budget, WorkspacePolicy
from compute.events import Priority

DAY_SECONDS = 86_400.0
QUIET_HOUR = 4.0
CONSTANT_SHARE = 0.5
TENANT_SIGMA = 3.55
BURSTY_SHARE = 0.4
BURST_MEAN = 5.0
BURST_SECONDS = 1.0
STATEMENT_LOG_MEAN, STATEMENT_LOG_SIGMA, STATEMENT_MOST = -0.38, 2.36, 3600.0
SPARK_SHARE = 1 / 30
BATCH_SHARE = 0.1
USERS = 20
BUDGET_RANKS, BUDGET_WINDOW_SECONDS, BUDGET_LEAST_MACHINES = 20, 600.0, 5.0
WEIGHT_RANKS = 10
CHUNK_SECONDS = 60.0
ENGINES = ("duckdb", "spark")
PRIORITIES = (Priority.INTERACTIVE, Priority.BATCH)


@dataclass(frozen=True, slots=True)
class Demand:
    """How much is asked for. `peak_rate` is leases a second in the busiest hour, without the spike; a budget is the
    `budget_share` of what its workspace spends on average."""

    hours: float = 24.0
    first_hour: float = 0.0
    peak_rate: float = 114.0
    tenants: int = 5000
    session_seconds: float = 600.0
    spike_at_hour: float = 15.0
    spike_seconds: float = 30.0
    spike_factor: float = 10.0
    budget_share: float = 1.0
    seed: int = 2019

    def rate(self, seconds: float) -> float:
        """Leases a second, `seconds` after the simulation's begin."""
        hour = self.first_hour + seconds / 3600
        daily = (1 - np.cos((hour - QUIET_HOUR) / 24 * 2 * np.pi)) / 2
        spike = 0 <= (hour - self.spike_at_hour) * 3600 < self.spike_seconds
        factor = self.spike_factor if spike else 1.0
        return float(self.peak_rate * factor * (CONSTANT_SHARE + (1 - CONSTANT_SHARE) * daily))


@dataclass(frozen=True, slots=True)
class Arrival:
    """One lease that is asked for, and how long it will be held."""

    at: float
    engine: str
    workspace: str
    principal: str
    priority: Priority
    seconds: float


def arrivals(demand: Demand) -> Iterator[Arrival]:
    """All of them, in order of time."""
    random = np.random.default_rng(demand.seed)
    popularity = _popularity(demand, random)
    bursty = random.random(demand.tenants) < BURSTY_SHARE
    chances = np.where(bursty, popularity / BURST_MEAN, popularity)
    per_batch = float(popularity.sum() / chances.sum())
    chances /= chances.sum()
    for begin in np.arange(0.0, demand.hours * 3600, CHUNK_SECONDS):
        times = _batch_times(demand, float(begin), per_batch, random)
        tenants = random.choice(demand.tenants, len(times), p=chances)
        sizes = np.where(bursty[tenants], random.geometric(1 / BURST_MEAN, len(times)), 1)
        tenants = np.repeat(tenants, sizes)
        times = np.repeat(times, sizes)
        times += np.where(bursty[tenants], random.random(len(times)) * BURST_SECONDS, 0.0)
        yield from _chunk(times, tenants, demand, random)


def policies(demand: Demand) -> Mapping[str, WorkspacePolicy]:
    """By workspace, of those that have one."""
    popularity = _popularity(demand, np.random.default_rng(demand.seed))
    mean_rate = demand.peak_rate * (1 + CONSTANT_SHARE) / 2
    machines = (mean_rate * demand.session_seconds * popularity / popularity.sum()).tolist()
    chosen = {}
    for rank, tenant in enumerate(np.argsort(-popularity).tolist(), start=1):
        if rank % BUDGET_RANKS == 0:
            seconds = max(machines[tenant], BUDGET_LEAST_MACHINES) * BUDGET_WINDOW_SECONDS
            chosen[f"w{tenant}"] = WorkspacePolicy(budget=Budget(seconds * demand.budget_share, BUDGET_WINDOW_SECONDS))
        elif rank % WEIGHT_RANKS == 0:
            chosen[f"w{tenant}"] = WorkspacePolicy(weight=2.0)
    return chosen


def _popularity(demand: Demand, random: np.random.Generator) -> NDArray[np.float64]:
    return random.lognormal(0.0, TENANT_SIGMA, demand.tenants)


def _batch_times(demand: Demand, begin: float, per_batch: float, random: np.random.Generator) -> NDArray[np.float64]:
    """When batches begin, second by second, since a spike is shorter than a chunk."""
    seconds = np.arange(begin, begin + CHUNK_SECONDS)
    counts = random.poisson([demand.rate(float(second)) / per_batch for second in seconds])
    times: NDArray[np.float64] = np.repeat(seconds, counts) + random.random(counts.sum())
    return times


def _chunk(
    times: NDArray[np.float64], tenants: NDArray[np.int64], demand: Demand, random: np.random.Generator
) -> Iterator[Arrival]:
    count = len(times)
    statements = random.lognormal(STATEMENT_LOG_MEAN, STATEMENT_LOG_SIGMA, count).clip(max=STATEMENT_MOST)
    seconds = statements + random.exponential(demand.session_seconds, count)
    users = random.integers(USERS, size=count)
    spark = random.random(count) < SPARK_SHARE
    batch = random.random(count) < BATCH_SHARE
    order = np.argsort(times, kind="stable")
    for at, is_spark, tenant, user, is_batch, held in zip(
        *(column[order].tolist() for column in (times, spark, tenants, users, batch, seconds)), strict=True
    ):
        engine, priority = ENGINES[is_spark], PRIORITIES[is_batch]
        yield Arrival(at, engine, intern(f"w{tenant}"), intern(f"u{user}"), priority, held)
