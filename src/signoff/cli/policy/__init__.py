"""`signoff policy`: what the policies of this project say, would say, and would have said."""
