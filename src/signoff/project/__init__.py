"""What people write in the files of a project: a reader for each kind of table."""
