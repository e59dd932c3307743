SELECT * FROM _instrumentation_health(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
