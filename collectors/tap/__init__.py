"""A reverse proxy that measures what goes through it, and tells it as a placement stream. A server, not a source."""
