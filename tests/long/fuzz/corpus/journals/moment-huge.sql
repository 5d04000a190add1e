UPDATE runs SET due_at = 1e300;
