"""What goes wrong, when, and by which mechanism: from a scenario's `[[fault]]` tables, a command line, or by hand while it runs.

`kinds` says what there is and what it may be told, `fault` reads one, `acting` makes each happen in a cluster, `timetable` begins and ends them.
"""
