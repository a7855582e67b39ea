"""What people write their jobs with."""
