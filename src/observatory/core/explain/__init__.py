"""Why a job is where it is: from everything that was looked up, exactly one explanation. Pure."""
