"""``minisgd probe NAME``: one quantity, measured.

To add a probe, write a module in this package with ``EXAMPLES``, ``configure(parser)`` and ``run(args)``, and give it
a row in ``PROBES``. What most of them look at, a network with weights on a data set, is in ``subject``; how it is told,
in ``report``:

    def configure(parser):
        subject.configure(parser)               # --data --model --weights --init --loss --seed --json …
        parser.add_argument("--samples", …)     # what this probe alone asks for
        report.configure(parser)                # --out

    def run(args):
        found = measure(*subject.load(args))    # network, data, loss
        report.publish(args, Report(…))            # in the terminal, as JSON, as a page
"""

from __future__ import annotations

from minisgd.cli.group import Group

PROBES = {
    "speed": "seconds of a training step, or of a prediction, as the batch grows",
    "noise": "how much single gradients differ: the noise scale, and the learning rates it predicts",
    "local": "the local critical batch size: how much larger a batch may be from these weights on",
    "examples": "gradients of single examples: how long they are, and which parameters they agree on",
    "landscape": "loss on a plane around the network, or on the line to another, as a picture",
    "sharpness": "curvature of the loss: extreme eigenvalues, trace, how far it rises, the largest stable lr",
    "memory": "bytes of a training step: by owner, and as the batch grows",
    "trace": "activations, gradients, updates and dead units of every layer during a training run",
}
"""A module in this package for each."""

EXAMPLES = """\
  minisgd probe speed --data digits --model mlp:128
  minisgd probe noise --data digits --model mlp:128 --out runs/noise
  minisgd probe sharpness --data digits --model mlp:128 --lr 0.1 --batch-size 32
  minisgd probe memory --data digits --model mlp:128 --batch-size 256
  minisgd probe trace --data digits --model mlp:128 --out runs/trace"""

GROUP = Group(
    prog="minisgd probe",
    noun="probe",
    purpose="Measure one thing: of the network, of its data, or of this machine.",
    package="minisgd.cli.probe",
    commands=PROBES,
    examples=EXAMPLES,
)
