"""Which accelerator a host's machines get: KVM where a trial machine boots with it and ends, else emulation, and said.

The trial itself runs emulated here, as that works on every host.
"""

import logging
from pathlib import Path

import pytest

from compute.spawners.qemu import host
from compute.spawners.qemu.command import Shape
from compute.spawners.qemu.host import TRIAL_MIB, examine_host

PATIENT_SECONDS = 300.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "TRIAL_SECONDS", PATIENT_SECONDS)


async def test_without_kvm_machines_are_emulated_and_that_is_said(
    guest_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(host, "KVM", tmp_path / "kvm")
    with caplog.at_level(logging.WARNING):
        found = await examine_host(guest_image, None)
    assert (found.accelerator, found.clock_khz > 0) == ("tcg", True)
    assert f"{tmp_path / 'kvm'} is missing: machines run on emulated processors" in caplog.text


async def test_a_trial_machine_boots_and_ends(guest_image: Path, patient: None) -> None:
    assert await host._ends_in_time(trial(guest_image), None)


async def test_one_that_does_not_boot_is_no_trial_passed(tmp_path: Path, patient: None) -> None:
    """As with a device that only looks like KVM's: QEMU ends at once, and says why to nobody."""
    assert not await host._ends_in_time(trial(tmp_path), None)


async def test_one_that_takes_too_long_neither(guest_image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "TRIAL_SECONDS", 0.0)
    assert not await host._ends_in_time(trial(guest_image), None)


def trial(image: Path) -> Shape:
    return Shape("tcg", image, TRIAL_MIB, round(host._clock_khz(host._processor())), {"engine": None})
