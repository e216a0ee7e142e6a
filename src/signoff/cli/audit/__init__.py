"""`signoff audit`: whether the record of what happened is as it was written."""
