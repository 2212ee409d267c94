"""The page descends as the engine does: Node.js runs its script, held against training runs and instruments."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.cli import main
from minisgd.lab.explorer import page
from minisgd.lab.explorer.surfaces import Line, Plane

SCRIPT = Path(page.__file__).parent / "descent.js"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="Node.js is not installed: the script cannot be run"
)


def javascript(surface: Line | Plane, code: str) -> Any:
    """Return the value of an expression over the script's functions (d) and a surface (s)."""
    text = f"const d = require({json.dumps(str(SCRIPT))}), s = {json.dumps(surface.to_dict())};"
    text += f"console.log(JSON.stringify((() => {{ {code} }})()))"
    done = subprocess.run(["node", "-"], input=text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def line() -> Line:
    return Line.draw(3)


@pytest.fixture(scope="module")
def objective() -> ms.Objective:
    data = ms.datasets.digits(validation=0.2).subset(100)
    return ms.Objective(ms.train(ms.Network(ms.Linear(8), ms.Tanh(), ms.Linear(10)), data, epochs=5).network, data)


@pytest.fixture(scope="module")
def plane(objective: ms.Objective) -> Plane:
    return Plane.around(objective, places=7)


@needs_node
@pytest.mark.parametrize(("batch_size", "momentum"), [(64, 0.0), (64, 0.9), (16, 0.0), (8, 0.5)])
def test_a_path_of_the_page_is_a_training_run_of_the_engine(line: Line, batch_size: int, momentum: float) -> None:
    data = ms.Dataset.from_arrays(np.round(line.x, 6), np.round(line.y, 6)[:, None], validation=None, task="regression")
    net = ms.Network(ms.Linear(1, bias=False)).build(2, dtype="float64")
    net.vector[:] = line.start
    settings: dict[str, Any] = {"batch_size": batch_size, "sampling": "sequential", "dtype": "float64"}
    run = ms.train(net, data, optimizer=ms.SGD(lr=0.1, momentum=momentum), steps=12, **settings)
    found = javascript(
        line,
        f"""const state = {{w: s.start, v: [0, 0], steps: 0}}, N = s.x.length;
        for (let k = 0; k < 12; k++) {{
          const rows = s.x.map((_, i) => i).slice(k * {batch_size} % N, k * {batch_size} % N + {batch_size});
          d.step(state, d.lineLossAndGradient(s, state.w, rows).gradient, 0.1, {momentum});
        }}
        return state.w""",
    )
    assert_allclose(found, run.network.vector, rtol=1e-12)


@needs_node
def test_curvature_and_noise_of_the_line_are_those_of_the_instruments(line: Line) -> None:
    x, y = np.round(line.x, 6), np.round(line.y, 6)[:, None]
    net = ms.Network(ms.Linear(1, bias=False)).build(2, dtype="float64")
    net.vector[:] = line.start
    H = 2 * x.T @ x / len(x)
    found = javascript(line, "const H = d.hessian(s, s.start); return {H, e: d.eigen(H), C: d.lineNoise(s, s.start)}")
    assert_allclose(found["H"], H)
    assert_allclose(found["e"]["values"], np.linalg.eigvalsh(H)[::-1])
    angle = found["e"]["angle"]
    assert_allclose(
        H @ [np.cos(angle), np.sin(angle)], found["e"]["values"][0] * np.array([np.cos(angle), np.sin(angle)])
    )
    assert_allclose(found["C"], np.cov(ms.per_example_gradients(net, x, y).T))


@needs_node
def test_noise_of_a_batch_is_that_of_draws_without_replacement(line: Line) -> None:
    found = javascript(
        line,
        """const random = d.generator(5), state = {w: s.start, v: [0, 0]}, drawn = [];
        for (let k = 0; k < 20000; k++) drawn.push(d.batchGradient(s, state, 16, random));
        const mean = [0, 1].map((i) => drawn.reduce((sum, g) => sum + g[i], 0) / drawn.length);
        const C = [0, 1].map((i) => [0, 1].map((j) =>
          drawn.reduce((sum, g) => sum + (g[i] - mean[i]) * (g[j] - mean[j]), 0) / drawn.length));
        return {mean, C, exact: d.fullLossAndGradient(s, s.start).gradient, noise: d.noiseOfBatch(s, s.start, 16),
                none: d.noiseOfBatch(s, s.start, 64)}""",
    )
    assert_allclose(found["mean"], found["exact"], rtol=1e-9)  # every epoch has every point once
    assert_allclose(found["C"], found["noise"], rtol=0.05, atol=0.02 * np.trace(found["noise"]))
    assert np.abs(found["none"]).max() == 0


def test_places_of_the_plane_are_evaluated_by_the_engine(objective: ms.Objective, plane: Plane) -> None:
    middle = len(plane.loss) // 2
    assert plane.loss[middle, middle] == pytest.approx(objective.value(objective.start))
    h = 2 * plane.reach / (len(plane.loss) - 1)
    rise = (plane.loss[middle + 1, middle] - plane.loss[middle, middle]) / h
    mean_slope = (plane.slope[middle + 1, middle, 0] + plane.slope[middle, middle, 0]) / 2
    assert rise == pytest.approx(mean_slope, rel=0.2)
    assert np.all(np.linalg.eigvalsh(plane.noise) > 0)


@needs_node
def test_the_page_gives_back_the_places_and_lines_between_them(plane: Plane) -> None:
    h = 2 * plane.reach / (len(plane.loss) - 1)
    w = [-plane.reach + 2.25 * h, -plane.reach + 4 * h]
    found = javascript(plane, f"return d.planeLossAndGradient(s, {json.dumps(w)})")
    assert found["loss"] == pytest.approx(0.75 * plane.loss[2, 4] + 0.25 * plane.loss[3, 4], rel=1e-4)
    assert_allclose(found["gradient"], 0.75 * plane.slope[2, 4] + 0.25 * plane.slope[3, 4], rtol=1e-3, atol=1e-6)


def test_the_page_needs_no_network_and_allows_its_own_script_only(objective: ms.Objective, tmp_path: Path) -> None:
    path = ms.explore(objective.network, objective.data, examples=50).save(tmp_path / "explore.html")
    text = path.read_text()
    assert not re.search(r"https?://|src=|href=", text) and len(text) < 2**21
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    assert "a plane through a network" in text and "a line through points" in ms.explore().to_html()


def test_a_network_goes_with_its_data(objective: ms.Objective) -> None:
    with pytest.raises(ms.ArgumentError, match="data must be given with network, got None; pass both, or neither"):
        ms.explore(objective.network)
    with pytest.raises(ms.ArgumentError, match="network must be given with data"):
        ms.explore(data=objective.data)
    assert repr(ms.explore()) == "Explorer: a line through points"


def test_the_command_trains_and_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert main(f"explore --data digits --model linear --examples 40 --out {out} --json".split()) == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(out)} and out.stat().st_size > 10_000
    assert main(f"explore --data digits --out {tmp_path}/page.txt".split()) == 2
    assert "--out must be a file that ends in .html" in capsys.readouterr().err
