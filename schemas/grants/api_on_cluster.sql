-- Beyond what it may do on one server, in both databases of a cluster: ask all nodes, delete on all of
-- them, hold the lease that keeps operations apart.
GRANT CLUSTER ON *.*
GRANT REMOTE, CREATE TEMPORARY TABLE ON *.*
GRANT SELECT ON system.replicas
GRANT SELECT ON system.clusters
GRANT SELECT ON system.one
GRANT INSERT ON $database._leases
GRANT SYSTEM SYNC REPLICA ON $database._leases
