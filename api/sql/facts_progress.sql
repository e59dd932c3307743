-- How far the facts are, in the epoch of the topics that workers read now.
SELECT topic, partition, max(offset) AS offset
FROM facts_progress
WHERE epoch = greatest({epoch:UInt16}, (SELECT max(epoch) FROM _topic_epochs))
GROUP BY topic, partition
