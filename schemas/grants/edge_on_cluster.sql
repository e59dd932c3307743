-- Whether a session is not there depends on whether all replicas have what was acknowledged.
GRANT REMOTE, CREATE TEMPORARY TABLE ON *.*
GRANT SELECT ON system.replicas
GRANT SELECT ON system.clusters
