"""Sample data: a month of an imaginary shop, labelled as such, and deleted again on request."""
