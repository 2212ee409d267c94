"""A small use of every extra, to be run with the oldest and the newest versions that it allows.

extras.py oldest    print the lower bounds of pyproject.toml as constraints for pip
extras.py use       use every extra, with the packages of the others out of reach
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = {
    "data": ["pandas", "pyarrow"],
    "sklearn": ["sklearn", "scipy", "joblib"],
    "onnx": ["onnx"],
    "tensorboard": ["tensorboardX"],
    "report": ["matplotlib", "jinja2"],
}

BEGIN = """
import sys
from pathlib import Path

class Hidden:
    def find_spec(self, name, *where):
        if name.partition(".")[0] in {others}:
            raise ModuleNotFoundError(f"{{name}} belongs to another extra")

sys.meta_path.insert(0, Hidden())
import minisgd as ms
net = ms.Network(ms.Linear(4), ms.ReLU(), ms.Linear(1))
"""

USE = {
    "data": """
import pandas
frame = pandas.DataFrame({"size": [40.0, 50, 60, 70] * 20, "city": ["Graz", "Linz"] * 40, "price": range(80)})
frame.to_parquet("table.parquet")
frame.to_csv("table.csv", index=False)
for data in (frame, "table.parquet", "table.csv"):
    run = ms.train(net, ms.load(data), epochs=2)
    assert len(run.predict(frame)) == 80
run.history.to_pandas()
""",
    "sklearn": """
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
x, y = load_iris(return_X_y=True)
search = GridSearchCV(ms.MinisgdClassifier((8,), max_iter=20, tol=0.0, random_state=0), {"batch_size": [16]}, cv=3)
assert search.fit(x, y).score(x, y) > 0.3
""",
    "onnx": """
import onnx
digits = ms.datasets.digits()
run = ms.train(ms.Network(ms.Linear(16), ms.GELU(), ms.LayerNorm(), ms.Linear(10)), digits, epochs=1)
onnx.checker.check_model(str(ms.interop.to_onnx(run, "model.onnx")), full_check=True)
""",
    "tensorboard": """
ms.train(ms.Network(ms.Linear(10)), ms.datasets.digits(), epochs=1, callbacks=[ms.TensorBoardLogger("events")])
assert any(Path("events").iterdir())
""",
    "report": """
ms.train(ms.Network(ms.Linear(10)), ms.datasets.digits(), epochs=2).history.plot().savefig("curves.png")
sizes = {"batch_sizes": [16, 64], "learning_rates": [0.1, 0.3], "seeds": 2, "target_accuracy": 0.7}
ms.study(ms.Network(ms.Linear(10)), ms.datasets.digits(validation=0.2).subset(400), **sizes).save("report")
""",
}


def main() -> int:
    if sys.argv[1] == "oldest":
        import tomllib

        project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
        wanted = [*project["dependencies"], *(line for name in USE for line in project["optional-dependencies"][name])]
        print("\n".join(re.sub(">=", "==", line) for line in wanted))
        return 0
    for name, code in USE.items():
        others = [package for extra, packages in PACKAGES.items() if extra != name for package in packages]
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-c", BEGIN.format(others=others) + code], cwd=folder, check=True)
        print(f"[{name}] works", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
