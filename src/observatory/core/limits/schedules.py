"""Schedules and their ticks."""

SCHEDULES_MAX = 1_000
"""Schedules of one installation: all of them may be due in the same second."""

SCHEDULE_NAME_CHARS_MAX = 64

CRON_CHARS_MAX = 200
"""One cron expression. An hour field that lists every hour has 61."""

CRON_YEARS_MAX = 50
"""A cron expression that fires not once in so many years counts as one that never fires; no preview goes further."""

TIMEZONE_CHARS_MAX = 64
"""The longest name of a zone has 32."""

INTERVAL_S_MIN = 1
INTERVAL_S_MAX = 366 * 86_400
"""A second to a year."""

SCHEDULE_LATE_S = 10.0
"""A tick that fires no later than this after its time is `fired`, afterwards `late`: longer than a restart takes."""

SCHEDULE_CATCH_UP_MAX = 500
"""Ticks of the past that one schedule fires in one go: they are one transaction."""
SCHEDULE_CATCH_UP_DEFAULT = 10

SCHEDULE_FIRE_BYTES_MAX = 1024 * 1024
"""JSON of the jobs that one schedule makes in one transaction, but always one job; the others follow in the next."""

SCHEDULE_TICKS_MAX = 5_000
"""Ticks of a cron expression that one round looks at: about 50 ms. The rest is done in the next round."""

SCHEDULES_AT_ONCE = 32
"""Schedules whose rounds run side by side and share a commit; each may hold its payload a few times in memory."""

SCHEDULE_ROUND_S_MAX = 1.0
"""After so long a round of the scheduler that recorded something ends, and the rest is left for the next one."""

SCHEDULE_TICKS_KEPT = 10_000
"""Rows of ticks of one schedule, the newest. A range of ticks with one fate is one row."""
SCHEDULE_TICKS_PRUNED = 1_000
"""How many of the oldest rows go at once when there are so many more."""

SCHEDULE_TRIES_MAX = 10
"""How often a change is tried again when the schedule moved meanwhile, as it does at every tick."""

SCHEDULE_WAIT_S_MIN = 0.02
"""The shortest pause of the scheduler: a schedule that cannot be worked on does not keep it spinning."""

UPCOMING_DEFAULT = 5
UPCOMING_MAX = 100
"""Next ticks that are computed for one answer."""
