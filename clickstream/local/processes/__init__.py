"""Child processes: started so that they die with us, stopped in time, restarted when they die."""
