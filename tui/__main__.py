"""`python -m tui` is `tokenyard`."""

from tui.cli import main

main()
