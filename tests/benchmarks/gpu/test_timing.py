"""Rates against floors, and the time they may take, on a device that is made of Python."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks.gpu import timing as gpu_timing
from benchmarks.gpu.device import occupancy
from benchmarks.gpu.launches import Launch, Recorder
from minisgd.backend.cuda.workload import Floor, Workload

GPU = {"peak_bytes_per_second": 1e9, "peak_flop_per_second": 1e12}


def clock(step: float = 1.0):
    """A clock that advances by a step whenever it is looked at."""
    now = iter(range(10**6))
    return lambda: step * next(now)


def compiler(log):
    def function(name):
        return lambda grid, block, args, *, shared_mem=0: log.append((name, grid, block, args, shared_mem))

    module = SimpleNamespace(get_function=function)
    return SimpleNamespace(compile=lambda source, file, options: module, owns=lambda array: True)


def test_rates_are_medians_against_the_peak_of_their_kind():
    moved = gpu_timing.rate(Floor(bytes=1000), [1e-6, 4e-6, 2e-6], GPU)
    assert (moved["seconds"], moved["fastest"], moved["slowest"]) == (2e-6, 1e-6, 4e-6)
    assert moved["bytes_per_second"] == pytest.approx(5e8) and moved["share_of_peak"] == pytest.approx(0.5)
    computed = gpu_timing.rate(Floor(flop=10**6), [2e-6], GPU)
    assert computed["flop_per_second"] == pytest.approx(5e11) and computed["share_of_peak"] == pytest.approx(0.5)
    unknown = gpu_timing.rate(Floor(bytes=1000), [1e-6], {**GPU, "peak_bytes_per_second": 0})
    assert unknown["share_of_peak"] is None


def test_launches_are_recorded_and_made_again_as_they_were():
    log = []
    recorder = Recorder(compiler(log))
    fill = recorder.compile("text", "fill.cu", ("-DREAL=float",)).get_function("fill")
    launches = recorder.record(lambda: fill((2, 1, 1), (32, 1, 1), ("x",), shared_mem=8))
    assert [(launch.kernel, launch.options) for launch in launches] == [("fill", ("-DREAL=float",))]
    launches[0]()
    assert log == [("fill", (2, 1, 1), (32, 1, 1), ("x",), 8)] * 2
    assert recorder.record(lambda: None) == [] and len(launches) == 1


def test_a_row_has_the_whole_and_each_kernel_against_its_own_floor():
    log = []
    recorder = Recorder(compiler(log))
    module = recorder.compile("", "update.cu", ())
    tick, adam = (module.get_function(name) for name in ("tick", "adam"))
    update = Workload(
        "update",
        lambda: (tick((1, 1, 1), (1, 1, 1), ()), adam((1, 1, 1), (64, 1, 1), ())),
        Floor(4000),
        {"tick": Floor(1000), "adam": Floor(4000)},
    )

    def seconds_of(runs):
        log.clear()
        assert len(runs) == 2
        runs[0]()
        return [sum({"tick": 2e-6, "adam": 6e-6}[call[0]] for call in log)]

    arguments = {"seconds_of": seconds_of, "fullness": lambda launch: launch.block[0] / 128}
    (row,) = gpu_timing.rows([(update, update)], recorder, GPU, 1e9, **arguments, clock=clock())
    assert row["name"] == "update" and row["seconds"] == pytest.approx(8e-6)
    assert row["share_of_peak"] == pytest.approx(0.5)
    assert row["kernels"]["tick"] == pytest.approx({"seconds": 2e-6, "share_of_peak": 0.5, "occupancy": 1 / 128})
    assert row["kernels"]["adam"] == pytest.approx({"seconds": 6e-6, "share_of_peak": 2 / 3, "occupancy": 0.5})


def test_a_workload_without_launches_of_ours_is_timed_as_it_is():
    ran = []
    product = Workload("cublas", lambda: ran.append(1), Floor(flop=10))

    def seconds_of(runs):
        (run,) = runs
        run()
        return [1.0]

    rest = {"seconds_of": seconds_of, "fullness": len, "clock": clock()}
    (row,) = gpu_timing.rows([(product,)], Recorder(compiler([])), GPU, 1e9, **rest)
    assert row["kernels"] == {} and len(ran) == 2


def test_workloads_after_the_end_are_named_as_skipped_and_do_not_run():
    ran = []
    every = [(Workload(name, lambda name=name: ran.append(name), Floor(1)),) for name in "abc"]
    rest = {"seconds_of": lambda runs: [1.0], "fullness": len, "clock": clock()}
    rows = list(gpu_timing.rows(every, Recorder(compiler([])), GPU, 1.5, **rest))
    assert ran == ["a", "b"]
    assert [row.get("skipped") for row in rows] == [None, None, gpu_timing.OUT_OF_TIME]


def test_a_quick_kernel_gets_all_rounds_and_a_slow_one_few_launches():
    asked = []

    def quick(times):
        asked.append(times)
        return 1e-6 * times

    assert gpu_timing.repeat(quick, clock(0.0)) == pytest.approx([1e-6] * gpu_timing.ROUNDS)
    assert asked == [1, 1] + [gpu_timing.LAUNCHES] * gpu_timing.ROUNDS

    asked.clear()

    def slow(times):
        asked.append(times)
        return 10.0 * times

    assert gpu_timing.repeat(slow, clock(10.0)) == [10.0]
    assert asked == [1, 1, 1]


def device(log, may_capture):
    """Return events and a stream that say what is done with them."""

    def event():
        return SimpleNamespace(record=lambda: log.append("record"), synchronize=lambda: log.append("wait"))

    stream = SimpleNamespace(
        synchronize=lambda: log.append("wait"),
        begin_capture=lambda: log.append("capture"),
        end_capture=lambda: SimpleNamespace(launch=lambda: log.append("launch")),
    )
    cuda = SimpleNamespace(Event=event, get_elapsed_time=lambda a, b: 500.0, get_current_stream=lambda: stream)

    def run(name):
        if log and log[-1] == "capture" and not may_capture:
            raise NotImplementedError("calling cuBLAS API")
        log.append(name)

    return SimpleNamespace(cuda=cuda), [lambda: run("a"), lambda: run("b")]


def test_the_stopwatch_tells_the_seconds_between_events_around_one_graph():
    log = []
    cupy, runs = device(log, may_capture=True)
    elapsed = gpu_timing.stopwatch(cupy, runs)
    assert elapsed(3) == 0.5
    assert log == [*"aba", "wait", "capture", *"aba", "launch", "record", "launch", "record", "wait"]
    log.clear()
    assert elapsed(3) == 0.5 and log == ["record", "launch", "record", "wait"]


def test_what_cublas_does_is_timed_call_by_call():
    log = []
    cupy, runs = device(log, may_capture=False)
    elapsed = gpu_timing.stopwatch(cupy, runs)
    elapsed(2)
    log.clear()
    assert elapsed(2) == 0.5 and log == ["record", "a", "b", "record", "wait"]


def test_occupancy_is_resident_threads_over_the_most():
    asked = []
    cuda = SimpleNamespace(
        runtime=SimpleNamespace(deviceGetAttribute=lambda attribute, device: 2048, getDevice=lambda: 0),
        driver=SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=lambda *a: asked.append(a) or 4),
    )
    function = SimpleNamespace(kernel=SimpleNamespace(ptr=7))
    launch = Launch("fill", (), function, (1, 1, 1), (32, 8, 1), (), 16)
    assert occupancy(SimpleNamespace(cuda=cuda), launch) == 0.5
    assert asked == [(7, 256, 16)]
