from __future__ import annotations

import dataclasses
import math

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from minisgd.lab.study.analysis import analyse
from minisgd.lab.study.batch_result import Curve
from minisgd.lab.study.report.heatmap import draw_heatmap
from minisgd.lab.study.report.learning import draw_curves, draw_learning_rate
from minisgd.lab.study.report.machine import draw_memory, draw_throughput, memory_parts
from minisgd.lab.study.report.page import plots_of
from minisgd.lab.study.report.scaling import draw_race, units
from minisgd.lab.study.result import StudyResult
from minisgd.lab.study.target import Target
from tests.lab.study import synthetic_study


def draw_steps(result: StudyResult):
    return draw_race(result, units(result)[0])


def draw_examples(result: StudyResult):
    return draw_race(result, units(result)[1])


def draw_seconds(result: StudyResult):
    return draw_race(result, units(result)[2])


def draw_flops(result: StudyResult):
    return draw_race(result, units(result)[3])


def draw_curves_by_steps(result: StudyResult):
    return draw_curves(result, units(result)[0])


@pytest.fixture(scope="module")
def figures(any_study: StudyResult):
    return [view.figure for plot in plots_of(any_study) for view in plot.views]


def labels(axis) -> list[str]:
    return [tick.get_text() for tick in axis.get_ticklabels() if tick.get_text()]


def text_boxes(page) -> list[tuple[str, float, float, float, float]]:
    """Draw a figure and list its texts with their boxes in pixels: text, left, bottom, right, top."""
    from matplotlib.text import Text

    page.canvas.draw()
    boxes = []
    for text in page.findobj(Text):
        words, box = text.get_text(), text.get_window_extent()
        if words.strip() and text.get_visible():
            top = (box.y0 + box.y1) / 2 if words.startswith("\n") else box.y1  # the first line is empty
            boxes.append((words, box.x0, box.y0, box.x1, top))
    return boxes


def overlaps(boxes) -> list[tuple[str, str]]:
    """Find texts that lie on one another by more than a pixel."""
    return [
        (a[0], b[0])
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if min(a[3], b[3]) - max(a[1], b[1]) > 1 and min(a[4], b[4]) - max(a[2], b[2]) > 1
    ]


def test_no_text_overlaps_another_or_leaves_the_picture(figures):
    for page in figures:
        boxes = text_boxes(page)
        width, height = page.canvas.get_width_height()
        assert overlaps(boxes) == []
        assert [box[0] for box in boxes if box[1] < 0 or box[2] < 0 or box[3] > width or box[4] > height] == []


@pytest.mark.parametrize("draw", [draw_steps, draw_curves_by_steps])
def test_no_text_overlaps_when_batch_sizes_crowd(draw):
    crowd = synthetic_study.trials(
        sizes=(8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 50_000), n_train=50_000
    )
    target = Target("train_loss", 1.23e-5)
    result = analyse(crowd, synthetic_study.setting(target, 50_000))
    boxes = text_boxes(draw(result))
    assert overlaps(boxes) == [] and min(box[1] for box in boxes) >= 0


@pytest.mark.parametrize("draw", [draw_steps, draw_examples, draw_seconds, draw_flops, draw_learning_rate, draw_memory])
def test_batch_sizes_are_plain_numbers(draw, study):
    assert labels(draw(study).axes[0].xaxis) == ["1", "4", "16", "64", "256", "1024", "\n1437 = full"]


def test_every_axis_has_two_numbers_at_least(figures):
    for ax in [ax for page in figures for ax in page.axes]:
        assert len(labels(ax.yaxis)) >= 2 or not ax.yaxis.get_tick_params()["labelleft"] or not ax.get_yticks().size


def test_recommended_batch_size_keeps_its_label_in_a_crowd():
    result = analyse(synthetic_study.trials(sizes=(1, 60, 64, 68, 72, 80, 1437)), synthetic_study.setting())
    named = labels(draw_steps(result).axes[0].xaxis)
    assert str(result.recommendation.batch_size) in named and 2 < len(named) < 7


def test_curves_may_be_missing(study):
    bare = tuple(dataclasses.replace(b, learning_curve=Curve()) for b in study.batch_sizes)
    assert text_boxes(draw_curves_by_steps(dataclasses.replace(study, batch_sizes=bare)))


def test_points_stand_at_the_medians(study):
    ax = draw_steps(study).axes[0]
    drawn = {
        (x, y) for line in ax.lines if line.get_ls() == "None" for x, y in [(line.get_xdata()[0], line.get_ydata()[0])]
    }
    assert drawn == {(b.batch_size, b.steps_to_target.median) for b in study.batch_sizes}


def test_unreached_batch_size_is_an_open_triangle_where_it_was_stopped(any_study):
    ax = draw_seconds(any_study).axes[0]
    triangles = {(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_marker() == "^"}
    assert triangles == {
        (b.batch_size, b.max_steps * b.step_seconds)
        for b in any_study.batch_sizes
        if math.isinf(b.steps_to_target.median)
    }


def test_curve_of_the_seconds_is_the_fit_times_the_step_time(study):
    ax, fit, line = draw_seconds(study).axes[0], study.fit, study.timing
    x, y = next(artist for artist in ax.lines if len(artist.get_xdata()) > 10).get_data()
    for b, height in zip(x, y, strict=True):
        expected = (fit.s_min + fit.e_min / b) * (line.t0_seconds + b / line.examples_per_second)
        assert math.isclose(height, expected, rel_tol=1e-9)


def test_heatmap_has_a_cell_for_each_learning_rate_and_marks_one_a_column(study):
    from matplotlib.patches import Rectangle

    cells = [p for p in draw_heatmap(study).axes[0].patches if isinstance(p, Rectangle)]
    filled = [p for p in cells if p.get_fill()]
    assert len(filled) == sum(len(b.lr_grid) for b in study.batch_sizes)
    assert len(cells) - len(filled) == len(study.batch_sizes)
    hatched = [p for p in filled if p.get_hatch()]
    assert len(hatched) == sum(2 * row.diverged >= len(study.seeds) for b in study.batch_sizes for row in b.lr_grid)


def test_curves_have_a_line_for_each_batch_size_whatever_they_are_counted_in(study):
    for unit in units(study):
        (ax,) = draw_curves(study, unit).axes
        assert len(ax.lines) == len(study.batch_sizes) + 1
    assert [unit.name for unit in units(study)] == ["steps", "examples", "time", "FLOPs"]


def test_throughput_draws_the_knee_in_both_panels(study):
    for ax in draw_throughput(study).axes:
        assert any(list(line.get_xdata()) == [study.timing.knee] * 2 for line in ax.lines)


def test_memory_is_split_into_fixed_and_per_example(study):
    fixed, each = memory_parts(study)
    assert (round(fixed), round(each)) == (120_000, 1_900)


def test_memory_under_a_limit_is_not_split(study):
    capped = tuple(dataclasses.replace(b, memory_bytes=min(b.memory_bytes, 400_000)) for b in study.batch_sizes)
    assert memory_parts(dataclasses.replace(study, batch_sizes=capped)) is None
