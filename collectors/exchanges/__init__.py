"""What the bytes of an answer say, and when they came, as rows of a placement stream: of what goes through the tap, and of our own probes. Pure."""
