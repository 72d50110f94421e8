"""Writes the table of `docs/emulators.md` anew: `python -m docs.calibration` runs `tokenyard calibrate` on the rows that come with the package."""

from pathlib import Path

from emulators.calibration.report import markdown
from emulators.calibration.silicon import calibrate, shipped

PAGE = Path(__file__).with_name("emulators.md")
BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"


def main() -> None:
    """Replaces what stands between the two marks."""
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(calibrate(shipped()))}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
