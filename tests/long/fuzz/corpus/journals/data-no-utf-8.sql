UPDATE events SET data = CAST(x'fffe' AS TEXT);
