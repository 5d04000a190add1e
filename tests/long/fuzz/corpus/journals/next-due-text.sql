UPDATE idle_hint SET next_due = 'never';
