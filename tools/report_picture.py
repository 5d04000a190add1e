"""The picture of the report on the first page of the site: ``python -m tools.report_picture`` makes it anew.

It runs the demo, lets it write the page of `report` after the night that ends well, and takes a screenshot in Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PICTURE = REPOSITORY / "docs" / "report.png"
SIZE = "960,620"


def main() -> None:
    """Write the picture; needs Chromium on the PATH."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not on the PATH: install it, then run this again")
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "report.html"
        subprocess.run([sys.executable, "demo/run.py", "--page", str(page)], cwd=REPOSITORY, check=True)
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}"]
        subprocess.run([chromium, *options, f"--screenshot={PICTURE}", page.as_uri()], cwd=scratch, check=True)
    sys.stdout.write(f"{PICTURE.relative_to(REPOSITORY)}\n")


if __name__ == "__main__":
    main()
