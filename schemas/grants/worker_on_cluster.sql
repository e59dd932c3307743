-- Beyond what it may do on one server, in both databases of a cluster: delete on all nodes, and look at
-- the parts of all of them.
GRANT CLUSTER ON *.*
GRANT REMOTE, CREATE TEMPORARY TABLE ON *.*
