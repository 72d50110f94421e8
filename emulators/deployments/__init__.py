"""Scenarios that are shipped, one a file; `emulators.scenario_file` says what is in one."""
