"""The whole system on one machine: servers, HTTP process and workers."""
