"""The PostgreSQL driver of the truth, over one `PostgresDatabase`: a module for each port."""
