"""`signoff users`: the people who may be asked, their groups, and who stands in for them."""
