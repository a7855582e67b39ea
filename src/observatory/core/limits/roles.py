"""Roles as processes: how one begins, and how several on one host are kept running."""

REPLICAS_MAX = 32
"""Processes of one role that one `up` keeps; a host that needs more has room for a second `serve`."""

BEGIN_PAUSE_S = 0.2
"""After the first time that a role found its database away; doubled each time."""

BEGIN_PAUSE_S_MAX = 5.0
"""How late a role may notice that its database came back."""

BEGIN_TRY_S_MAX = 30.0
"""One try of a role to begin, all its statements together."""

ROLE_RESTART_S = 0.5
"""Before a role that ended by itself is begun again; doubled for each time in a row."""

ROLE_RESTART_S_MAX = 30.0
"""The longest such pause: a role that cannot stay alive costs one start of Python in so long."""

ROLE_HEALTHY_S = 60.0
"""A role that lived so long is well: what ends it then is the first failure of a new row."""

ROLE_STOP_S_MAX = 6.0
"""A role that still runs so long after it was told to stop is killed; it ends itself in less than 5 s."""

FLEET_STOP_S_MAX = 8.0
"""As `STOP_S_MAX`, for the process that stops the others."""

ROLE_LINE_BYTES_MAX = 64 * 1024
"""Of one line that a role writes on its standard output; what is longer is cut into several."""

PORTS_TRIED_MAX = 100
"""Ports that are tried for a further gateway, one after the other."""
