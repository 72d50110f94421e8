"""No test is judged by the wall clock, property tests neither."""

from hypothesis import settings

settings.register_profile("tokenyard", deadline=None)
settings.load_profile("tokenyard")
