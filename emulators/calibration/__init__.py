"""The emulator against published measurements: every measured row is simulated, and its error printed."""
