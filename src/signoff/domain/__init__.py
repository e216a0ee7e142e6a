"""What Signoff is about, in pure Python: standard library only, no clock, no I/O."""
