"""Writes the table of `docs/emulators.md` anew: `python -m docs.calibration [REPORT]`.

REPORT is what `tokenyard calibrate --json` printed; without it the rows that come with the package are simulated, which takes minutes.
"""

import json
import sys
from pathlib import Path

from emulators.calibration.report import markdown
from emulators.calibration.silicon import calibrate, shipped

PAGE = Path(__file__).with_name("emulators.md")
BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"


def main(report: str | None = None) -> None:
    """Replaces what stands between the two marks."""
    made = calibrate(shipped()) if report is None else json.loads(Path(report).read_text("utf-8"))
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(made)}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
