"""The picture of several ranks in the report: simulated, and said to be."""

import dataclasses

import pytest

from minisgd.lab.study.ranks import SimulatedRanks
from minisgd.lab.study.report.page import plots_of
from tests.lab.study import synthetic_study

FOUND = SimulatedRanks((1, 8, 64), 64, (2.0, 1.0, 0.9), (2.0, 0.5, 0.4), (0.0, 1e-5, 2e-5), 12.0)


def test_the_report_has_a_picture_of_ranks_where_they_were_simulated():
    pytest.importorskip("matplotlib", reason="the report draws pictures: pip install 'minisgd[report]'")
    without = synthetic_study.study()
    plots = plots_of(dataclasses.replace(without, ranks=FOUND))
    assert [plot.name for plot in plots][:-1] == [plot.name for plot in plots_of(without)]
    (view,) = plots[-1].views
    assert plots[-1].name == "ranks" and "A simulation, not a measurement" in view.caption
    text = " ".join(label.get_text() for label in view.figure.findobj(lambda artist: hasattr(artist, "get_text")))
    assert "simulated" in text and "Bcrit / 64 = 12 ranks" in text
