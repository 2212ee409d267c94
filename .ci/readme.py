"""Print or run the commands of the README, so that what a stranger reads is what is tested.

readme.py print NAME     the command marked <!-- ci: NAME -->
readme.py blocks PAGE…   run every other sh and python block of the README, or of other pages, in order, in this folder
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"(?:<!-- ci: (?P<name>[\w ]+) -->\n)?```(?P<kind>sh|python)\n(?P<body>.*?)```", re.S)


def main() -> int:
    pages = [Path(name) for name in sys.argv[2:]] if sys.argv[1] == "blocks" else []
    texts = [page.read_text(encoding="utf-8") for page in pages or [README]]
    found = [match.groupdict() for text in texts for match in BLOCK.finditer(text)]
    if sys.argv[1] == "print":
        (body,) = [block["body"] for block in found if block["name"] == sys.argv[2]]
        print(body.strip())
        return 0
    for block in found:
        if block["name"]:
            continue
        print(f"--- {block['kind']}\n{block['body']}", flush=True)
        command = ["bash", "-euc", block["body"]] if block["kind"] == "sh" else [sys.executable, "-c", block["body"]]
        subprocess.run(command, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
