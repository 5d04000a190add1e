UPDATE idle_hint SET environment = 'staging';
