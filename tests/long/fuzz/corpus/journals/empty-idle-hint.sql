DELETE FROM idle_hint;
