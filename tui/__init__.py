import os

# How soon Textual draws what has changed: what a key leads to waits for it, in the worst case twice.
os.environ.setdefault("TEXTUAL_FPS", "120")
