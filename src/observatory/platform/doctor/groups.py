"""All groups, in the order in which they are shown."""

from observatory.platform.doctor import application, data_folder, database, ports, program, system, terminal
from observatory.platform.doctor.examine import Group

GROUPS: tuple[Group, ...] = (
    ("program", program.CHECKS),
    ("sqlite", database.CHECKS),
    ("data", data_folder.CHECKS),
    ("ports", ports.CHECKS),
    ("terminal", terminal.CHECKS),
    ("system", system.CHECKS),
    ("application", application.CHECKS),
)
