UPDATE runs SET outcome = NULL, closed_at = NULL;
