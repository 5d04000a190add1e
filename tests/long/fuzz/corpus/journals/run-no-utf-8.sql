UPDATE runs SET run = CAST(x'ff' AS TEXT);
