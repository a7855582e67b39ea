"""Audit, backups and what they say."""

AUDIT_VIOLATIONS_MAX = 1_000
"""Violations spelled out by one audit; the others are counted."""

AUDIT_JOBS_NAMED_MAX = 10
"""Jobs named beside a sum that does not add up."""

AUDIT_DOCUMENTS_MAX = 100_000
"""Open jobs whose fold an audit holds in memory, about a kilobyte each."""

AUDIT_IDS_PER_ROUND = 500_000
"""Event ids compared at once: a set of this many takes about 40 MB."""

PROGRESS_LINE_S = 0.5
"""When a long command begins to say how far it is, and how often the audit does."""

DAMAGE_LINES_MAX = 10
"""Lines of the engine about a damaged file: the first say where to look."""

BACKUP_PAGES = 1_000
"""Pages of the database that are copied between two looks at the progress: four megabytes."""

MANIFEST_BYTES_MAX = 64 * 1024
"""A backup's manifest is a dozen fields."""

AUDIT_AGAIN_MAX = 2
"""How often an audit begins again because an owner took the data meanwhile."""
