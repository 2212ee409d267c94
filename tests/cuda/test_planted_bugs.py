"""Every planted bug is caught by the leg that claims it, and no leg cries wolf."""

from __future__ import annotations

import re

import pytest

from tests.cuda.cuda_emulator import ORDERS, KernelFault
from tests.cuda.planted_bugs import BUGS, KERNELS, launch
from tests.cuda.sanitize import missing_sanitizer, run

pytestmark = pytest.mark.usefixtures("toolchain")

FAULTS = [bug for bug in BUGS if bug.leg == "fault"]
WRONG = [bug for bug in BUGS if bug.leg == "wrong"]
SANITIZED = [bug for bug in BUGS if bug.leg in ("asan", "tsan")]


def named(bug):
    return f"{bug.leg}-{bug.macro.lower()}"


def test_there_are_enough():
    assert len({(bug.macro, bug.kernel) for bug in BUGS}) >= 15


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_correct_kernels_pass(kernel, order):
    launch(kernel, None, order, seed=1)


@pytest.mark.parametrize("bug", FAULTS, ids=named)
def test_faults_stop_the_launch_and_say_why(bug):
    for order in bug.orders:
        with pytest.raises(KernelFault, match=bug.says):
            launch(bug.kernel, bug.macro, order, seed=1)
    launch(bug.kernel)  # the machine is sound after a fault


@pytest.mark.parametrize("bug", WRONG, ids=named)
def test_missing_synchronisation_changes_the_result(bug):
    def goes_wrong(order):
        try:
            launch(bug.kernel, bug.macro, order, seed=1)
        except AssertionError:
            return True
        return False

    # the two orders that tests of kernels run in
    assert goes_wrong("forward") and goes_wrong("random")


@pytest.mark.slow
@pytest.mark.parametrize("bug", SANITIZED, ids=named)
def test_sanitizers_see_what_results_do_not_show(bug):
    reason = missing_sanitizer(bug.leg)
    if reason is not None:
        pytest.skip(reason)
    done = run(bug.leg, ["-m", "tests.cuda.planted_bugs", bug.kernel, bug.macro])
    assert done.returncode != 0
    assert re.search(bug.says, done.stderr), done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("leg", ["asan", "tsan"])
def test_sanitizers_accept_correct_kernels(leg):
    reason = missing_sanitizer(leg)
    if reason is not None:
        pytest.skip(reason)
    every = f"from tests.cuda.planted_bugs import launch; [launch(kernel) for kernel in {KERNELS!r}]"
    done = run(leg, ["-c", every])
    assert done.returncode == 0, done.stderr[-2000:]
